"""The executor of other processes, each of which may crash or hang without ending the run: only this module knows of them."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import RawArray
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import PipelineError, StorageError
from pipeline.names import shown
from pipeline.scoring import launching
from pipeline.scoring.executors import PATIENCE, Patience, Result, Task
from pipeline.scoring.launching import NOTES, work
from pipeline.scoring.shard import Shard

if TYPE_CHECKING:
    from pebble import ProcessPool

# The attempts to start processes, which something may kill.
ATTEMPTS = 3
# How often it is looked whether a file takes too long, in seconds.
TICK = 0.25


@dataclass
class _Running:
    """A shard in a process: its notes' number, its file, if it is there to be decoded, for how long, and what was too slow."""

    shard: Shard
    is_second_time: bool
    slot: int
    at: tuple[int, bool] = (-1, False)
    seconds: float = 0.0
    too_slow: tuple[int, int] | None = None


@dataclass
class Processes:
    """Other processes, which are started at once and take a moment until they are ready.

    ``patience``: as in ``Patience``.

    What is too slow is ended with its process. A shard whose process dies is tried again in halves, down to the one file that
    is the reason, which becomes an error.
    """

    # Those that have not ended, and the threads that wait for the end of others.
    alive: ClassVar[int] = 0
    ending: ClassVar[list[threading.Thread]] = []

    workers: int
    patience: float | None = None
    is_elsewhere: bool = False
    _attempts: int = 0
    _is_closed: bool = False
    _seen: set[int] = field(default_factory=set)
    _pool: "ProcessPool" = field(init=False)

    def __post_init__(self) -> None:
        """Start them."""
        self._notes = RawArray("q", 2 * self.workers * len(NOTES))
        while self.ending:
            self.ending.pop().join()
        Processes.alive += 1
        launching.start_server()
        self._starting = threading.Thread(target=self._start)
        self._starting.start()

    def run(self, task: Task[Result], shards: Iterable[Shard], maximum_seconds: float) -> Generator[Result]:
        """See ``Executor``. Raises PipelineError where no process can begin."""
        from pebble import ProcessExpired

        self._starting.join()
        again, patience = deque[tuple[Shard, bool]](), Patience(self.patience)
        others = ((shard, False) for shard in shards)
        # No more than twice the workers are under way: a list of all shards would grow with the folder.
        slots = set(range(2 * self.workers))
        under_way: dict[Future[Result], _Running] = {}
        last = monotonic()
        while True:
            while slots and (one := again.popleft() if again else next(others, None)):
                running = _Running(*one, slots.pop())
                under_way[self._begin(task, running)] = running
            if not under_way:
                return
            done, _ = wait(under_way, TICK, FIRST_COMPLETED)
            now = monotonic()
            for future, running in under_way.items():
                # Where this very process was stopped for a while, the others were too.
                self._watch(future, running, min(now - last, 2 * TICK), maximum_seconds)
            last = now
            for future in done:
                running = under_way.pop(future)
                slots.add(running.slot)
                fault = None if future.cancelled() else future.exception()
                if future.cancelled() and running.too_slow and not running.too_slow[1]:
                    patience.wait(StorageError(f"{shown(running.shard.paths[0])} is not read in {PATIENCE} s."))
                    again.append((running.shard, running.is_second_time))
                elif future.cancelled() or isinstance(fault, ProcessExpired):
                    again.extend(_left_of(running, getattr(fault, "exitcode", 0), maximum_seconds))
                elif isinstance(fault, StorageError):
                    patience.wait(fault)
                    again.append((running.shard, running.is_second_time))
                elif fault and not self._pool.active:
                    again.append((running.shard, running.is_second_time))
                else:
                    self._attempts = 0
                    patience.is_back()
                    yield future.result()

    def close(self) -> None:
        """End them, and do not wait for it."""
        self._starting.join()
        if not self._is_closed:
            self._is_closed = True
            self._pool.stop()  # type: ignore[no-untyped-call]
            self.ending.append(threading.Thread(target=self._end))
            self.ending[-1].start()

    def _start(self) -> None:
        from pebble import ProcessPool

        self._attempts += 1
        self._pool = ProcessPool(
            self.workers, initializer=launching.become_ready, initargs=(self._notes,), context=launching.Context()
        )
        with suppress(BrokenProcessPool, OSError, EOFError):
            _ = self._pool.active  # to ask starts it

    def _end(self) -> None:
        self._pool.join()
        Processes.alive -= 1
        if not self.alive:  # what starts next may be of other code
            launching.stop_server()

    def _begin(self, task: Task[Result], running: _Running) -> Future[Result]:
        start = 3 * running.slot
        self._notes[start : start + 3] = [0, 0, 0]
        while True:
            with suppress(RuntimeError):  # the pool is broken: all of its processes ended
                return self._pool.schedule(work, (task, running.shard, running.slot))
            if self._attempts == ATTEMPTS:
                look = f"Look with `{shown(sys.executable)} -c 'import {__name__}'`."
                raise PipelineError(f"a process that scores ends before it begins. {look}")
            self._pool.join()
            self._start()

    def _watch(self, future: Future[Any], running: _Running, passed: float, maximum_seconds: float) -> None:
        """End a process whose file takes too long. One that somebody stopped is ended too, and no file blamed for it."""
        process, file, page = self._notes[3 * running.slot : 3 * running.slot + 3]
        if process and (file, page > 0) != running.at:
            running.at, running.seconds = (file, page > 0), 0.0
            self._seen.add(process)
        running.seconds += passed
        # The pages before one that was too slow are given the time again that they took; storage may be slow for longer.
        is_fetching = process and not page
        if running.seconds <= (PATIENCE if is_fetching else maximum_seconds * (2 if running.shard.bad_page else 1)):
            return
        running.seconds = 0.0
        stopped = set(filter(_is_stopped, self._seen))
        if process:
            running.too_slow = (file, page) if process not in stopped else None
            future.cancel()
        for one in (stopped | {process}) - {0}:
            with suppress(OSError):
                os.kill(one, signal.SIGKILL)


def _left_of(running: _Running, code: int, maximum_seconds: float) -> list[tuple[Shard, bool]]:
    """Give the shards to try after the process of one ended, and whether that is for the second time."""
    shard, count = running.shard, len(running.shard.paths)
    if running.too_slow:
        file, page = running.too_slow
        reason = f"takes longer than {maximum_seconds:g} s (score.maximum_seconds)"
        slow = shard.part(file, file + 1)._replace(bad_page=page, reason=reason)
        others = shard.part(0, file), shard.part(file + 1, count)
        return [(slow, False)] + [(part, False) for part in others if part.paths]
    if half := count // 2:
        return [(shard.part(0, half), False), (shard.part(half, count), False)]
    if not running.is_second_time:  # the first time it may have been for another reason
        return [(shard, True)]
    words = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return [(shard._replace(bad_page=1, reason=f"ends the process that reads it: {words}"), False)]


def _is_stopped(process: int) -> bool:
    import psutil

    with suppress(psutil.Error):
        return bool(psutil.Process(process).status() == psutil.STATUS_STOPPED)
    return False
