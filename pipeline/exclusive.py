"""Keeping a second process out of what only one may do."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline import atomic
from pipeline.errors import PipelineError


@contextmanager
def alone(lock: Path, otherwise: str | Callable[[], str]) -> Iterator[BinaryIO]:
    """Hold a lock file, which is made where it is not there; the system lets go of it however this process ends.

    Raises PipelineError with ``otherwise`` where another process holds it, or when it cannot be written.
    """
    with atomic.refusals_of(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = lock.open("ab")
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PipelineError(otherwise if isinstance(otherwise, str) else otherwise()) from None
        yield held
