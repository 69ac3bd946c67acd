"""The one family of errors that a user can act on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class PipelineError(Exception):
    """Its message says on one line what happened, where, and what to do next; a process prints it and exits 1."""


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the process with ``error:`` and the words of a PipelineError on standard error, where the block raises one."""
    try:
        yield
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def unreadable(place: Path, error: Exception, mending: str) -> PipelineError:
    """Say that a file that a stage makes is not there yet, or cannot be read, and the command that mends it."""
    if isinstance(error, FileNotFoundError):
        return PipelineError(f"{place}: not there yet. Run {mending}.")
    return PipelineError(f"{place}: cannot be read: {error}. Run {mending}.")


class StorageError(PipelineError):
    """The place where pictures are cannot be reached for now."""
