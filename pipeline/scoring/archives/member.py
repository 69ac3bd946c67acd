"""A picture in an archive, and how an archive is read with care, whatever it says of itself."""

import os
import tempfile
from io import RawIOBase
from typing import BinaryIO, NamedTuple

from pipeline.digits.pictures.files.limits import DecodeError

# The most bytes that are read at once to find members, as a ZIP's directory is, whose entries take ten times as much in memory.
MOST_AT_ONCE = 2**26
# A member of more bytes waits in a temporary file to be read, and not in memory.
LARGEST_IN_MEMORY = 2**22
FAULT = "!"
CUT = "cut short: the end of the archive is missing"


class Member(NamedTuple):
    """A picture in an archive, or one that cannot be read, or the archive itself, by its path below the folder.

    ``place``: some numbers, or a fault; see ``place_of``.
    """

    path: bytes
    size: int
    place: str


def faulty(path: bytes, why: str) -> Member:
    """Give what cannot be read."""
    return Member(path, 0, f"{FAULT}{why}")


def place_of(place: str) -> list[int]:
    """Give the numbers of a place. Raises DecodeError with the fault that it is."""
    if place.startswith(FAULT):
        raise DecodeError(place.removeprefix(FAULT))
    return [int(number) for number in place.split()]


class Careful(RawIOBase):
    """A file that is read in pieces of a bounded size, whatever an archive says of the length of its parts."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell = file.tell  # type: ignore[method-assign]

    def seekable(self) -> bool:
        """Tell that it can."""
        return True

    def readable(self) -> bool:
        """Tell that it can."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place. Raises OSError where there is none, as files do, and storage does not."""
        try:
            return self._file.seek(offset, whence)
        except ValueError as error:
            raise OSError(str(error)) from error

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, or all that are left. Raises DecodeError where that is too much."""
        content = self._file.read(size if 0 <= size <= MOST_AT_ONCE else MOST_AT_ONCE + 1)
        if len(content) > MOST_AT_ONCE:
            raise DecodeError(f"a part of more than {MOST_AT_ONCE} bytes would have to be read to find what is in it")
        return content


def words_of(error: Exception) -> str:
    """Say on one line what a library says."""
    return " ".join(str(error).split())[:120] or type(error).__name__


def content_of(file: BinaryIO, size: int) -> bytes | BinaryIO:
    """Read so many bytes from where a file stands, a large piece into a file. Raises DecodeError where there are fewer."""
    if size <= LARGEST_IN_MEMORY:
        content = file.read(size)
        if len(content) < size:
            raise DecodeError(CUT)
        return content
    kept, left = tempfile.TemporaryFile(), size  # noqa: SIM115 - whoever reads it closes it
    while left and (piece := file.read(min(left, LARGEST_IN_MEMORY))):
        kept.write(piece)
        left -= len(piece)
    if left:
        kept.close()
        raise DecodeError(CUT)
    kept.seek(0)
    return kept
