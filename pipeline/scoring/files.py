"""From the names of files, in a folder or in an archive in it, to what is in them."""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pipeline.digits.pictures.files.limits import DecodeError, refusal
from pipeline.errors import StorageError
from pipeline.layout import address_of
from pipeline.names import shown
from pipeline.scoring.archives import contents
from pipeline.scoring.archives.contents import Contents
from pipeline.scoring.archives.member import faulty, place_of
from pipeline.scoring.shard import Begin, Content, Read, Shard

# A decoder reads a file of more bytes piece by piece.
LARGEST_AT_ONCE = 2**22
# The folder is opened to find files from it; with O_PATH that needs no right to list them.
FOLDER = getattr(os, "O_PATH", os.O_RDONLY)
READ = os.O_RDONLY | os.O_NONBLOCK
# What shared storage says of any file while it is away.
AWAY = {
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ENOTCONN,
}


@contextmanager
def opened(folder: bytes, shard: Shard, maximum_bytes: int) -> Iterator[Read]:
    """Give the function that reads files of a shard, of which none may have more bytes. Both raise StorageError."""
    if address := address_of(Path(os.fsdecode(folder))):
        from pipeline.scoring import storage

        yield storage.reader(address, shard, maximum_bytes)
        return
    with _opened_folder(folder) as place, ExitStack() as stack:
        read = _in_archive(shard, place, stack) if shard.archive else partial(_in_folder, shard, place, maximum_bytes)
        yield lambda numbers: each(read, numbers, partial(_refusal, folder=folder))


def look_into(shard: Shard, begin: Begin, *, folder: bytes, suffixes: Collection[str], maximum_bytes: int) -> Contents:
    """Find what is in an archive, the only file of a shard. Raises StorageError."""
    (path,) = shard.paths
    begin(0, 1, b"")
    if shard.bad_page:
        return Contents(path, [faulty(path, shard.reason)])
    if address := address_of(Path(os.fsdecode(folder))):
        from pipeline.scoring import storage

        return storage.look_into(address, path, suffixes, maximum_bytes)
    with _opened_folder(folder) as place:
        try:
            with _opened_file(path, place) as file:
                return contents.find(path, file, suffixes, maximum_bytes)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it is its own fault
            return Contents(path, [faulty(path, str(_refusal(error, folder)))])


def is_unchanged(folder: bytes, path: bytes, size: int, modified: int, changed: int) -> bool:
    """Tell whether a file is there, and was not written since it was listed so; a copy of it in its place is the same."""
    try:
        if address := address_of(Path(os.fsdecode(folder))):
            from pipeline.scoring import storage

            return storage.version_of(address, path) == (size, changed)
        status = os.stat(os.path.join(folder, path))  # noqa: PTH116, PTH118 - paths of any bytes
    except (OSError, ValueError):
        return False
    return (status.st_size, status.st_mtime_ns) == (size, modified)


def each(read: Callable[[int], bytes | BinaryIO], numbers: range, refuse: Callable[[Exception], DecodeError]) -> list[Content]:
    """Read some files, one after the other; whatever is wrong with one, which ``refuse`` says, the others are read."""

    def attempt(number: int) -> Content:
        try:
            return read(number)
        except Exception as error:  # noqa: BLE001 - it becomes that file's reason
            return refuse(error)

    return [attempt(number) for number in numbers]


def _refusal(error: Exception, folder: bytes) -> DecodeError:
    if isinstance(error, OSError) and error.errno in AWAY:
        raise StorageError(f"{shown(folder)}: cannot be read: {error.strerror}.") from error
    return refusal(error)


@contextmanager
def _opened_folder(folder: bytes) -> Iterator[int]:
    try:
        place = os.open(folder, FOLDER)
    except OSError as error:
        raise StorageError(f"{shown(folder)}: cannot be read: {error.strerror}.") from error
    try:
        yield place
    finally:
        os.close(place)


def _in_folder(shard: Shard, folder: int, maximum_bytes: int, number: int) -> bytes | BinaryIO:
    """Read a file below an open folder, or open a large one.

    Nothing that is none is opened, nor waited for when it took a file's place.
    """
    path = shard.paths[number]
    size = _size(path, folder)
    if size > maximum_bytes:
        raise DecodeError(f"{size} bytes, more than {maximum_bytes}")
    descriptor = os.open(path, READ, dir_fd=folder)
    if size > LARGEST_AT_ONCE:
        return os.fdopen(descriptor, "rb")
    try:
        content = os.read(descriptor, size)
        while len(content) < size and (more := os.read(descriptor, size - len(content))):
            content += more
        return content
    finally:
        os.close(descriptor)


def _in_archive(shard: Shard, folder: int, stack: ExitStack) -> Callable[[int], bytes | BinaryIO]:
    """Give the function that reads a member. Where the archive cannot be opened, that is the fault of each."""
    files: list[BinaryIO] = []

    def read(number: int) -> bytes | BinaryIO:
        place = place_of(shard.places[number])
        if not files:
            files.append(stack.enter_context(_opened_file(shard.archive, folder)))
        return contents.read(files[0], place)

    return read


def _size(path: bytes, folder: int) -> int:
    """Give the size of a file in bytes. Raises DecodeError where it is none."""
    status = os.stat(path, dir_fd=folder)
    if not stat.S_ISREG(status.st_mode):
        raise DecodeError("not a file")
    return status.st_size


def _opened_file(path: bytes, folder: int) -> BinaryIO:
    _size(path, folder)
    return os.fdopen(os.open(path, READ, dir_fd=folder), "rb")
