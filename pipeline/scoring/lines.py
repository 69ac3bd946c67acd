"""The lines of a listing, and the shards that it is cut into: what a process that scores has to know of it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

# What people are shown of rows, beside their part.
SHEET = ".sheet"


@dataclass(frozen=True)
class Shard:
    """A run of pictures to score: ``count`` lines of ``pending`` from number ``first`` on, which stands at byte ``offset``.

    ``size``: the bytes of the pictures; 0 where nobody asks.
    """

    first: int
    count: int
    offset: int
    size: int = 0

    @property
    def name(self) -> str:
        """The name of its part file; the names of parts sort as the pictures do."""
        return f"{self.first:010d}-{self.count}.csv"

    @property
    def sheet(self) -> str:
        """The name of the file beside it with what people are shown of its rows."""
        return f"{self.first:010d}-{self.count}{SHEET}"

    def split(self, pending: Path) -> "tuple[Shard, Shard]":
        """Give both halves."""
        half = self.count // 2
        first = Shard(self.first, half, self.offset)
        offset = self.offset + sum(map(len, _read_lines(pending, first)))
        return first, Shard(self.first + half, self.count - half, offset)


def lines_of(folder: bytes, paths: Iterable[bytes]) -> list[bytes]:
    """Write the lines of files below ``folder``: size in bytes, times of modification and of change in nanoseconds, path.

    Three zeros stand before the path of a file that is not there.
    """
    start = os.path.join(folder, b"")  # noqa: PTH118 - of paths of any bytes, and of many
    return [_line_of(path, _state(start + path)) for path in paths]


def path_of(line: bytes) -> bytes:
    """Read the path from a line of a listing."""
    path = line[:-1].split(b" ", 3)[3]
    if b"\\" not in path:
        return path
    return b"\\".join(piece.replace(rb"\n", b"\n") for piece in path.split(rb"\\"))


def size_of(line: bytes) -> int:
    """Read the size from a line of a listing, in bytes; 0 where there was no such file."""
    return int(line[: line.index(b" ")])


def read_paths(pending: Path, shard: Shard) -> list[bytes]:
    """Read the paths of a shard."""
    return [path_of(line) for line in _read_lines(pending, shard)]


def _line_of(path: bytes, state: bytes) -> bytes:
    if b"\\" in path or b"\n" in path:
        path = path.replace(b"\\", rb"\\").replace(b"\n", rb"\n")
    return b"%b %b\n" % (state, path)


def _state(file: bytes) -> bytes:
    try:
        status = os.stat(file)  # noqa: PTH116 - a path of any bytes
    except (OSError, ValueError):
        return b"0 0 0"
    # A copy may keep the time of its content, never that of its own last change.
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}".encode()


def _read_lines(pending: Path, shard: Shard) -> list[bytes]:
    with pending.open("rb") as lines:
        lines.seek(shard.offset)
        return list(islice(lines, shard.count))
