"""The executor of a cluster of Dask that exists already: shards go to its workers, rows come back, and any of them may die."""

import asyncio
import logging
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.scoring.dispatch import Dispatch, gone
from pipeline.scoring.executors import Result, Task
from pipeline.scoring.shard import Shard

if TYPE_CHECKING:
    from distributed import Client

# How long to wait for the scheduler, to come and to go, in seconds.
CONNECT, LEAVE = 6, 5


@dataclass
class Cluster:
    """The workers of the scheduler at an ``address``, which is looked for when there is something to do.

    ``title``: of the batch, for Dask's dashboard; ``remarks``: what a person should know, in the order in which it came up.
    """

    address: str
    title: str
    remarks: list[str] = field(default_factory=list)
    workers: int = 0
    is_elsewhere: bool = True
    _client: "Client | None" = None

    def run(self, task: Task[Result], shards: Iterable[Shard], maximum_seconds: float) -> Generator[Result]:
        """See ``Executor``. Raises PipelineError where the scheduler cannot be reached, or goes, or no worker can score."""
        rest = iter(shards)
        if (first := next(rest, None)) is None:
            return
        with self._said_in_one_line():
            if not self._client:
                self._client = self._connected()
            dispatch = Dispatch(self._client, self.address, self.title, self.remarks, maximum_seconds)
            try:
                yield from dispatch.results(task, first, rest)
            finally:
                self.workers = dispatch.threads
                dispatch.end()

    def close(self) -> None:
        """Leave the cluster as it was."""
        if self._client:
            with suppress(Exception):  # it may be gone
                self._client.close(timeout=LEAVE)
            self._client = None

    def _connected(self) -> "Client":
        try:
            from distributed import Client
        except ImportError as error:
            raise PipelineError("--cluster needs the extra for it: pip install '.[cluster]'.") from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it would say of a fault becomes one line
        try:
            asyncio.run(_probe(self.address))
            return Client(self.address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            words = " ".join(str(error).split()) or f"nothing came in {CONNECT} s"
            hint = "Name another in --cluster or DASK_ADDRESS, or score on this machine without."
            raise PipelineError(f"{self.address}: no scheduler of Dask answers: {words}. {hint}") from error

    @contextmanager
    def _said_in_one_line(self) -> Iterator[None]:
        try:
            yield
        except (OSError, CancelledError) as error:
            raise gone(self.address) from error
        except PipelineError:
            raise
        except Exception as error:
            if self._client and self._client.status != "running":
                raise gone(self.address) from error
            raise


async def _probe(address: str) -> None:
    """Ask a scheduler who it is: a client that connects to one that says nothing waits for ever."""
    from distributed import Security
    from distributed.core import rpc

    async with rpc(address, timeout=CONNECT, connection_args=Security().get_connection_args("client")) as scheduler:
        await asyncio.wait_for(scheduler.identity(n_workers=0), CONNECT)
