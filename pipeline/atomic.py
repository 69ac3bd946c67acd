"""Writing so that a reader never sees half a file or folder, whatever interrupts the writer."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.names import shown

# Only writing fails with these.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside ``target``; write a file or a folder there, and it becomes ``target`` at the end.

    When the block fails, ``target`` stays as it was. An existing folder is moved aside before the new one takes its place: a
    reader may find none for a moment, but never half of one. Raises PipelineError where the operating system refuses to
    write: a full disk, a read-only folder. Every other error of the block is raised as it is.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    aside = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        with refusals_of(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
        except OSError as error:
            if _is_of_writing(error, temporary):
                raise _refusal(target, error) from error
            raise
        with refusals_of(target):
            _flush(temporary)
            if target.is_dir():
                target.replace(aside)
            try:
                temporary.replace(target)
            except BaseException:
                if aside.exists():
                    aside.replace(target)
                raise
    finally:
        _remove(temporary)
        if os.path.lexists(target):  # if not, the one that was moved aside is the only one left
            _remove(aside)


@contextmanager
def refusals_of(target: Path) -> Iterator[None]:
    """Turn a refusal of the operating system into a PipelineError; the block does nothing but write ``target``."""
    try:
        yield
    except OSError as error:
        raise _refusal(target, error) from error


def _refusal(target: Path, error: OSError) -> PipelineError:
    reason = error.strerror or str(error)
    return PipelineError(f"{shown(target)}: cannot write: {reason}. Make room or make the folder writable, then run again.")


def _is_of_writing(error: OSError, temporary: Path) -> bool:
    """Tell whether an error comes from writing ``temporary``, and not from reading something else meanwhile."""
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    return error.errno in NO_ROOM or (place is not None and temporary in (place, *place.parents))


def write_text(target: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with LF line ends, in one step."""
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _flush(path: Path) -> None:
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
