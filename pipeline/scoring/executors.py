"""Where shards are scored. An executor takes shards and gives what a task makes of them, in any order."""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline import cores
from pipeline.scoring import manifest
from pipeline.scoring.shard import Begin, Shard

if TYPE_CHECKING:
    from pipeline.scoring.processes import Processes

# This process scores so many files, or bytes of them, before other processes are ready.
FEW = 2000
FEW_BYTES = 2**21
Result = TypeVar("Result")
# A pure function of a shard, which says what page it begins.
Task = Callable[[Shard, Begin], Result]


class Executor(Protocol):
    """Runs a task for every shard, in ``workers`` processes, or in this one where that is 0."""

    workers: int

    def run(self, task: Task[Result], shards: Iterable[Shard], maximum_seconds: float) -> Generator[Result]:
        """Give what the task makes of shards, in any order. A shard may be split on the way.

        A file that takes longer than ``maximum_seconds`` is an error from the page on at which it stands.
        """


class Here:
    """This process, which hands on a file that could keep it for ever, and all after it, to another one."""

    workers = 0

    def run(self, task: Task[Result], shards: Iterable[Shard], maximum_seconds: float) -> Generator[Result]:
        """See ``Executor``."""
        rest = iter(shards)
        for shard in rest:
            try:
                done = task(shard, _refuse)
            except _CanHangError:
                self.workers = 1
                with _processes(1) as other:
                    yield from other.run(task, chain([shard], rest), maximum_seconds)
            else:
                yield done


def chosen(ready: "Processes | None", asked: int | None, needed: int, *, is_little: bool) -> "AbstractContextManager[Executor]":
    """Choose where shards are scored: here where there is little, unless some are ``ready`` or ``asked`` for."""
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


class _CanHangError(Exception):
    """A file is of a kind that is never read in the process that people wait for."""


def _refuse(_file: int, _page: int, start: bytes) -> None:
    from pipeline.scoring.page import can_hang

    if can_hang(start):
        raise _CanHangError
