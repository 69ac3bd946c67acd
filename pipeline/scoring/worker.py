"""What a worker of a cluster does. A process of its own reads the files, of which one may end it, or keep it, alone."""

import threading
from collections.abc import Callable
from functools import lru_cache, partial
from multiprocessing.reduction import ForkingPickler
from typing import Any

from distributed import WorkerPlugin, get_worker
from distributed.protocol.pickle import dumps, loads

from pipeline.scoring.executors import Task
from pipeline.scoring.processes import Processes
from pipeline.scoring.shard import Begin, Shard

# How long a worker waits for storage before another one may try, in seconds.
PATIENCE = 10
_own = threading.local()


def given(task: Task[Any]) -> WorkerPlugin:
    """Make what gives each worker, also one that comes later, what a run does to shards: once, and not with each shard.

    It goes by value, since a worker that does not have this package must be able to read it too.
    """

    class Given(WorkerPlugin):  # type: ignore[misc]
        content = dumps(task)

    return Given()


def question() -> Callable[[], dict[str, str]]:
    """Make the question what decides on a worker on what stands in a row, by value too: see ``batch.versions``."""

    def versions() -> dict[str, str]:
        from pipeline.scoring import batch

        return batch.versions()

    return versions


def work(name: str, shards: list[Shard], maximum_seconds: float) -> list[bytes]:
    """Do what a run does to shards, which may be split on the way, and pack up what comes of each. Raises PipelineError."""
    if not hasattr(_own, "process"):
        _own.process = Processes(1, PATIENCE)
    task = _task(get_worker().plugins[name].content)
    return list(_own.process.run(partial(_packed, task=task), shards, maximum_seconds))


@lru_cache(maxsize=4)
def _task(content: bytes) -> Task[Any]:
    task: Task[Any] = loads(content)
    return task


def unpacked(content: bytes) -> Any:
    """Unpack what came of a shard."""
    return ForkingPickler.loads(content)


def _packed(shard: Shard, begin: Begin, *, task: Task[Any]) -> bytes:
    # So that on the way from this process to the run nobody unpacks it, which takes as long as a tenth of the reading.
    return bytes(ForkingPickler.dumps(task(shard, begin)))
