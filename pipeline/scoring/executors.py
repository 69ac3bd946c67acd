"""Where shards are scored. An executor takes shards and gives what a task makes of them, in any order."""

import os
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline import cores
from pipeline.errors import StorageError
from pipeline.scoring import manifest
from pipeline.scoring.shard import Begin, Shard

if TYPE_CHECKING:
    from pipeline.scoring.processes import Processes

# This process scores so many files, or bytes of them, before other processes are ready.
FEW = 2000
FEW_BYTES = 2**21
# How long a run waits for storage that is away, and the most between two attempts, in seconds.
PATIENCE, MOST_BETWEEN = 180, 5
Result = TypeVar("Result")
# A pure function of a shard, which says what page it begins.
Task = Callable[[Shard, Begin], Result]


class Executor(Protocol):
    """Runs a task for every shard, in ``workers`` processes, or in this one where that is 0."""

    workers: int
    is_elsewhere: bool

    def close(self) -> None:
        """End what it started."""

    def run(self, task: Task[Result], shards: Iterable[Shard], maximum_seconds: float) -> Generator[Result]:
        """Give what the task makes of shards, in any order. A shard may be split on the way.

        A file that takes longer than ``maximum_seconds`` is an error from the page on at which it stands. Raises StorageError
        where storage is away for longer than one may wait.
        """


class Patience:
    """Waits for storage that is away, ever longer, until it has been away for too long."""

    def __init__(self, seconds: float | None = None) -> None:
        """Begin with storage that is there. ``seconds``: how long it may be away, ``PATIENCE`` where none are named."""
        self._seconds = PATIENCE if seconds is None else seconds
        self._since = 0.0

    def wait(self, fault: StorageError) -> None:
        """Wait before storage is tried again. Raises StorageError."""
        self._since = self._since or time.monotonic()
        passed = time.monotonic() - self._since
        if passed > self._seconds:
            raise StorageError(f"{fault} It has been away for {passed:.0f} s. The same command goes on from here.") from fault
        time.sleep(min(0.2 + passed / 4, MOST_BETWEEN))

    def is_back(self) -> None:
        """Note that storage was read."""
        self._since = 0.0


class Here:
    """This process, which hands on a file that could keep it for ever, and all after it, to another one."""

    workers = 0
    is_elsewhere = False

    def close(self) -> None:
        """See ``Executor``."""

    def run(self, task: Task[Result], shards: Iterable[Shard], maximum_seconds: float) -> Generator[Result]:
        """See ``Executor``."""
        rest, patience = iter(shards), Patience()
        for shard in rest:
            try:
                yield _with(patience, task, shard)
            except _CanHangError:
                self.workers = 1
                with _processes(1) as other:
                    yield from other.run(task, chain([shard], rest), maximum_seconds)


def _with(patience: Patience, task: Task[Result], shard: Shard) -> Result:
    while True:
        try:
            done = task(shard, _refuse)
        except StorageError as fault:
            patience.wait(fault)
        else:
            patience.is_back()
            return done


def chosen(ready: Executor | None, asked: int | None, needed: int, *, is_little: bool) -> "AbstractContextManager[Executor]":
    """Choose where shards are scored: here where there is little, unless some are ``ready`` or ``asked`` for, or elsewhere."""
    if needed and ready and ready.is_elsewhere:
        return nullcontext(ready)
    if not needed or (is_little and not asked):
        return nullcontext(ready if ready and needed else Here())
    count = min(asked or cores.usable(), needed)
    return nullcontext(ready) if ready and ready.workers >= count else _processes(count)


def early(count: int) -> "AbstractContextManager[Processes | None]":
    """Start processes before it is known what they will score, unless there are to be none."""
    return _processes(count) if count else nullcontext()


def _processes(count: int) -> "closing[Processes]":
    from pipeline.scoring.processes import Processes

    return closing(Processes(count))


def foreseen(folder: Path, out: Path, asked: int | None) -> int:
    """Give how many processes a run will need, as far as a glance at its folder tells: one where it was scored before."""
    try:
        with os.scandir(folder) as entries:
            is_full = next(islice(entries, FEW, None), None) is not None
    except OSError:  # no folder, or one that cannot be read, as the listing will say
        return 0
    if not is_full:
        return 0
    return 1 if (out / manifest.NAME).exists() else min(asked or cores.usable(), cores.usable())


def at_last(executor: Executor | None, task: Callable[[], Result]) -> Callable[[], Result]:
    """Give what waits for the result of a task. Where other processes scored here, another one does it while these end."""
    if executor and not executor.is_elsewhere:
        from pipeline.scoring import launching

        task = launching.beside(task)
    if executor:
        executor.close()
    return cache(task)


class _CanHangError(Exception):
    """A file is of a kind that is never read in the process that people wait for."""


def _refuse(_file: int, _page: int, start: bytes) -> None:
    from pipeline.scoring.page import can_hang

    if can_hang(start):
        raise _CanHangError
