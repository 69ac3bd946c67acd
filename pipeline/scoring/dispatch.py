"""Which shards are with which workers of a cluster: who may score, who went or says nothing, and what is given to others."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count, islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pipeline.errors import PipelineError, StorageError
from pipeline.names import shown
from pipeline.scoring import batch
from pipeline.scoring.executors import Patience, Task
from pipeline.scoring.shard import Shard

if TYPE_CHECKING:
    from distributed import Client, Future

# Shards that are given to a worker together, and how many times that is under way for each of its threads: once to be read, and
# once to wait for it.
TOGETHER, IN_FLIGHT = 4, 2
# In seconds: how long to wait for a worker, and for another than those that cannot score; how often to ask which there are; how
# long one may say nothing before others take over its shards; how long rows may take to come.
WAIT, GRACE, TICK, SILENT, FETCH = 180, 5, 1, 20, 10
# How often a shard is given to others whose worker died.
MOST_DEATHS = 10


@dataclass(eq=False)
class _Sent:
    """A shard under way, the workers that it was given to, how many of them died of it, and whether its rows are here."""

    shards: list[Shard]
    able: list[str] = field(default_factory=list)
    deaths: int = 0
    is_done: bool = False


@dataclass(eq=False)
class _Worker:
    """A worker: its threads, when it last spoke, by its clock and by ours, and whether it may score, once that is known."""

    threads: int
    spoke: float
    heard: float
    may_score: bool | None = None

    @property
    def is_able(self) -> bool:
        """Tell whether it is to be given shards."""
        return bool(self.may_score) and time.monotonic() - self.heard < SILENT


class Dispatch:
    """What is under way of one run on a cluster."""

    def __init__(self, client: "Client", address: str, title: str, remarks: list[str], maximum_seconds: float) -> None:
        """Take how the scheduler is reached, the batch's title, and a list for what a person should know."""
        self.threads = 0
        self._client, self._address, self._title, self._remarks = client, address, title, remarks
        self._maximum_seconds = maximum_seconds
        self._name = uuid4().hex
        self._numbers = count(1)
        self._workers: dict[str, _Worker] = {}
        self._asked: dict[Future, str] = {}
        self._under_way: dict[Future, _Sent] = {}
        # Those of workers that say nothing, who may still come to it.
        self._stuck: dict[Future, _Sent] = {}
        self._again: deque[_Sent] = deque()
        self._done: SimpleQueue[Future] = SimpleQueue()
        self._patience = Patience()
        self._met = 0.0
        self._hoped = time.monotonic()

    def results(self, task: Task[Any], first: Shard, rest: Iterator[Shard]) -> Iterator[Any]:
        """Give what comes of all shards."""
        from distributed.protocol.pickle import dumps

        from pipeline.scoring.worker import given

        with suppress(TimeoutError):  # one worker says nothing; the others have it
            values = {"plugin": dumps(given(task)), "name": self._name, "idempotent": False}
            self._ask(self._client.scheduler.register_worker_plugin, **values)
        shards = chain([first], rest)
        new = map(_Sent, iter(lambda: list(islice(shards, TOGETHER)), []))
        is_more = True
        while True:
            self._meet()
            able = self._able()
            while able and len(self._under_way) < IN_FLIGHT * self.threads:
                sent = self._again.popleft() if self._again else next(new, None)
                if not sent:
                    is_more = False
                    break
                if not sent.is_done:  # by one who said nothing, and came to it after all
                    self._send(sent, able)
            if not is_more and not self._under_way and not self._again:
                return
            with suppress(Empty):
                yield from self._heard(self._done.get(timeout=TICK))

    def end(self) -> None:
        """Take back what is still under way."""
        with suppress(Exception):  # the scheduler may be gone
            self._client.cancel([*self._under_way, *self._stuck, *self._asked], force=True)
            self._ask(self._client.scheduler.unregister_worker_plugin, name=self._name)

    def _ask(self, what: Callable[..., Any], **values: object) -> Any:
        """Ask the scheduler something. Raises TimeoutError, for which the client's own methods have no word."""
        return self._client.sync(what, callback_timeout=FETCH, **values)

    def _send(self, sent: _Sent, able: list[str]) -> None:
        """Give a shard to the workers that can score, by a key that says on Dask's dashboard what it is."""
        from pipeline.scoring.worker import work

        first, *others = [path for shard in sent.shards for path in shard.paths]
        files = shown(first) + (f" and {len(others)} more" if others else "")
        key = (f"score {self._title}", files, next(self._numbers), self._name[:8])
        sent.able = able
        future = self._client.submit(work, self._name, sent.shards, self._maximum_seconds, key=key, workers=able, pure=False)
        self._under_way[future] = sent
        future.add_done_callback(self._done.put)

    def _meet(self) -> None:
        """Find out which workers there are, ask new ones whether they can score, and see to the shards of those that went."""
        from pipeline.scoring.worker import question

        now = time.monotonic()
        if now - self._met < TICK:
            return
        self._met = now
        if self._client.status != "running":
            raise gone(self._address)
        found = self._ask(self._client.scheduler.identity, n_workers=-1)["workers"]
        self._workers = {address: one for address, one in self._workers.items() if address in found}
        for address, about in found.items():
            if address not in self._workers:
                self._workers[address] = _Worker(about["nthreads"], about["last_seen"], now)
                key = ("check the version", address, next(self._numbers), self._name[:8])
                future = self._client.submit(question(), key=key, workers=[address], pure=False)
                self._asked[future] = address
                future.add_done_callback(self._done.put)
            elif about["last_seen"] != self._workers[address].spoke:
                self._workers[address].spoke, self._workers[address].heard = about["last_seen"], now
        self._give_to_others()

    def _give_to_others(self) -> None:
        """Give to others what was given to workers that are all gone, or lies with one that says nothing."""
        for future, sent in list(self._under_way.items()):
            if not self._workers.keys() & sent.able:
                del self._under_way[future]
                future.cancel()
                self._again.append(sent)
        silent = [address for address, one in self._workers.items() if one.may_score and not one.is_able]
        if silent and len(silent) < len(self._workers):
            theirs = {key for keys in self._client.processing(silent).values() for key in keys}
            for future, sent in list(self._under_way.items()):
                if future.key in theirs:
                    self._stuck[future] = self._under_way.pop(future)
                    self._again.append(sent)

    @property
    def _hopeless(self) -> float:
        return time.monotonic() - self._hoped

    def _able(self) -> list[str]:
        """Give the workers that can score. Raises PipelineError where there is none, and nothing to hope for."""
        able = [address for address, one in self._workers.items() if one.is_able]
        self.threads = sum(self._workers[address].threads for address in able)
        if able:
            self._hoped = time.monotonic()
        elif self._workers and all(one.may_score is False for one in self._workers.values()) and self._hopeless > GRACE:
            raise PipelineError(f"{self._address}: no worker can score. {' '.join(self._remarks)}")
        elif self._hopeless > WAIT:
            raise PipelineError(f"{self._address}: no worker answered for {WAIT} s. Start some, then run again.")
        return able

    def _heard(self, future: "Future") -> Iterator[Any]:
        """Take what came of some shards, or a worker's answer."""
        from pipeline.scoring.worker import unpacked

        if address := self._asked.pop(future, ""):
            self._judge(address, future)
            return
        sent = self._under_way.pop(future, None) or self._stuck.pop(future, None)
        if not sent or sent.is_done:
            return
        if future.status not in ("finished", "error"):  # it was taken back, or its worker died with the rows
            self._again.append(sent)
            return
        try:
            results = future.result(timeout=FETCH)
        except Exception as error:  # noqa: BLE001 - whatever it is, it passes, or ends the run with a line
            self._see_to(sent, error)
            return
        sent.is_done = True
        self._patience.is_back()
        yield from map(unpacked, results)

    def _see_to(self, sent: _Sent, error: Exception) -> None:
        """Give a shard to others, unless its fault is nothing that will pass. Raises PipelineError."""
        from distributed import KilledWorker

        if isinstance(error, StorageError):
            self._patience.wait(error)
        elif isinstance(error, PipelineError):
            raise error
        else:
            sent.deaths += 1
            # It died, or with the rows that it had, or did not have the task yet.
            if sent.deaths > MOST_DEATHS or not isinstance(error, KilledWorker | TimeoutError | CancelledError | KeyError):
                what = f"{shown(sent.shards[0].paths[0])} and those after it cannot be scored there"
                raise PipelineError(f"{self._address}: {what}: {type(error).__name__}: {' '.join(str(error).split())}.")
        self._again.append(sent)

    def _judge(self, address: str, future: "Future") -> None:
        """Decide whether a worker may score: only one that would give the same rows."""
        worker = self._workers.get(address)
        if not worker:
            return
        try:
            theirs, ours = future.result(timeout=FETCH), batch.versions()
        except (TimeoutError, CancelledError):
            del self._workers[address]  # it is asked again, if it is there
            return
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering
            fault = f"cannot score: {' '.join(str(error).split())}"
        else:
            others = [name for name in ours | theirs if ours.get(name, "") != theirs.get(name, "")]
            fault = "; ".join(f"has {name} {_short(theirs.get(name))}, here it is {_short(ours.get(name))}" for name in others)
        worker.may_score = not fault
        if fault:
            self._remarks.append(f"worker {address} is not used: it {fault}.")


def gone(address: str) -> PipelineError:
    """Say that the scheduler went."""
    return PipelineError(f"{address}: the scheduler went away. Start it, and the same command goes on from here.")


def _short(version: str | None) -> str:
    return (version or "none")[:12]
