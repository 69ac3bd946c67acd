"""Locks that keep a second process out. The system releases a lock however its process ends."""

import fcntl
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline import atomic
from pipeline.errors import PipelineError
from pipeline.names import shown

# Between two tries to take a lock that somebody holds, in seconds.
PAUSE = 0.1


@contextmanager
def held(lock: Path, otherwise: str | Callable[[], str]) -> Iterator[BinaryIO]:
    """Hold a lock file, which is made where it is not there.

    Raises PipelineError with ``otherwise`` where another process holds it, or when it cannot be written.
    """
    with _opened(lock) as file:
        if not _take(file):
            raise PipelineError(otherwise if isinstance(otherwise, str) else otherwise())
        yield file


@contextmanager
def awaited(lock: Path, say: Callable[[str], None], other: str, seconds: float = math.inf) -> Iterator[None]:
    """Hold a lock file once nobody else does, and say who does. Raises PipelineError, also when ``seconds`` are over."""
    end = time.monotonic() + seconds
    with _opened(lock) as file:
        if not _take(file):
            say(f"waiting for {other}")
            while not _take(file):
                if time.monotonic() > end:
                    raise PipelineError(f"{other} has not ended. Wait for it, then run this again.")
                time.sleep(PAUSE)
        yield


def _opened(lock: Path) -> BinaryIO:
    with atomic.refusals_of(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        return lock.open("ab")


def _take(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        hint = "Name a folder on a file system that has locks."
        raise PipelineError(f"{shown(file.name)}: cannot be locked: {error.strerror}. {hint}") from error
    return True
