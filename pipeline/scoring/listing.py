"""Which files there are to score, in the order of the CSV: in memory, or in a temporary file, since there may be millions."""

import bisect
import codecs
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline import layout
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.scoring.kinds import ARCHIVES, PICTURES, is_hidden, is_kept_by_a_system

NAMED = 3
# So many files take less time than a temporary file, and less memory than the rest of a run.
IN_MEMORY = 2**17
STANDARD_INPUT = Path("-")


# A file, by its path below the folder, with forward slashes: its size in bytes, and its times of modification and of change in
# nanoseconds, or in storage zero and a number that stands for its content. One that is not there has three zeros.
File = tuple[bytes, int, int, int]


@dataclass
class Listing:
    """The files to score, each once, in the byte order of their paths, and what was left out.

    ``unread_pictures`` are pictures by their suffix, which is not among those asked for, the first few by name; ``ignored``
    counts what is neither.
    """

    count: int = 0
    unread_pictures: list[bytes] = field(default_factory=list)
    unread_by_suffix: Counter[str] = field(default_factory=Counter)
    ignored: int = 0
    symbolic_links: int = 0
    unreadable_folders: list[str] = field(default_factory=list)
    _few: list[File] = field(default_factory=list)
    _many: sqlite3.Connection | None = None

    def __iter__(self) -> Iterator[File]:
        """Give the files, as often as they are asked for."""
        query = "select path, size, modified, changed from file order by path"
        return iter(self._many.execute(query) if self._many else self._few)

    def as_shown(self) -> dict[str, Any]:
        """Give what a manifest says of it."""
        return {
            "unread_pictures": dict(sorted(self.unread_by_suffix.items())),
            "ignored": self.ignored,
            "symbolic_links": self.symbolic_links,
            "unreadable_folders": self.unreadable_folders,
        }

    @property
    def unread_words(self) -> str:
        """Name the pictures that are not read; nothing where there are none."""
        count = self.unread_by_suffix.total()
        return f"pictures of a kind that is not read: {_named(self.unread_pictures, count)} ({count} in all)" if count else ""

    @property
    def unreadable_words(self) -> str:
        """Name the folders that could not be read; nothing where there are none."""
        return f"folders that could not be read: {name_some(self.unreadable_folders)}" if self.unreadable_folders else ""

    def leave_out(self, path: bytes, ignored: int, unread: Mapping[str, int]) -> None:
        """Count what was left out at a path: what is no picture, and pictures of a kind that is not read."""
        self.ignored += ignored
        for suffix, count in unread.items():
            self.unread_by_suffix[suffix] += count
        if unread:
            bisect.insort(self.unread_pictures, path)
            del self.unread_pictures[NAMED:]

    def fill(self, files: Iterable[list[File]]) -> None:
        """Keep files, some at a time. Raises PipelineError when the folder for temporary files has no room."""
        for some in files:
            if self._few:
                self._spill()
            self._few = some
        self.count = len(self._few)
        if self._many:
            self._spill()
            ((self.count,),) = self._many.execute("select count(*) from file")

    def _spill(self) -> None:
        try:
            if not self._many:
                # The empty name is a file of SQLite's own that goes away with the process.
                self._many = sqlite3.connect("", isolation_level=None)
                self._many.execute("pragma journal_mode = off")
                self._many.execute("create table file (path blob primary key, size, modified, changed) without rowid")
                self._many.execute("begin")
            self._many.executemany("insert or ignore into file values (?, ?, ?, ?)", self._few)
        except sqlite3.OperationalError as error:
            hint = "Make room for temporary files, or name another folder in TMPDIR."
            raise PipelineError(f"cannot write the listing: {error}. {hint}") from error


def list_folder(folder: Path, suffixes: Collection[str], leave_out: Path) -> Listing:
    """List the files below ``folder`` whose names end in one of ``suffixes`` (with dots, lower case), in any case.

    Hidden files, other files and symbolic links are counted; ``leave_out``, the output, is not looked into. Raises
    PipelineError when the folder for temporary files has no room.
    """
    listing, place = Listing(), os.fsencode(folder)
    listing.fill(_looked_up(place, _pictures(place, suffixes, os.fsencode(leave_out.resolve()), listing)))
    listing.unreadable_folders.sort()
    return listing


def list_file(file: Path) -> Listing:
    """List one file, below its folder."""
    listing = Listing()
    listing.fill(_looked_up(os.fsencode(file.parent), [os.fsencode(file.name)]))
    return listing


def list_storage(address: str, suffixes: Collection[str]) -> Listing:
    """List the pictures and archives at an address of storage, as in a folder. Raises PipelineError."""
    from pipeline.scoring import storage

    listing, wanted = Listing(), {*map(os.fsencode, suffixes), *ARCHIVES}

    def pictures() -> Iterator[File]:
        for path, size, tag in storage.entries(address):
            suffix = path[path.rfind(b".") :].lower()
            if is_hidden(path):
                listing.leave_out(path, 1, {})
            elif suffix in wanted:
                yield path, size, 0, tag
            else:
                unread = [os.fsdecode(suffix)] if os.fsdecode(suffix) in PICTURES.split() else []
                listing.leave_out(path, not unread, dict.fromkeys(unread, 1))

    found = pictures()
    listing.fill(sorted(some) for some in iter(lambda: list(islice(found, IN_MEMORY)), []))
    return listing


def list_paths(text: Path) -> Listing:
    """List the files that a text names, one path a line, or standard input where it is ``-``.

    A path starts where the user stands. Each counts once, whatever it leads to. Raises PipelineError where the text cannot be
    read or is none.
    """
    listing = Listing()
    try:
        with sys.stdin.buffer if text == STANDARD_INPUT else text.open("rb") as lines:
            start = os.fsencode(layout.stood_in) if layout.stood_in.parts else b""
            listing.fill(_looked_up(b"", (os.path.join(start, name) for name in _named_in(lines))))  # noqa: PTH118 - of any bytes
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PipelineError(f"{shown(text)}: {reason}. Name a folder, or a text file with one path a line.") from None
    return listing


def name_some(names: Collection[Path | str | bytes]) -> str:
    """Name the first few of some files or folders, and say when there are more."""
    return _named(list(names)[:NAMED], len(names))


def _named(first: Iterable[Path | str | bytes], count: int) -> str:
    words = ", ".join(shown(name) for name in first)
    return f"{words} and {count - NAMED} more" if count > NAMED else words


def _looked_up(folder: bytes, paths: Iterable[bytes]) -> Iterator[list[File]]:
    start, rest = os.path.join(folder, b""), iter(paths)  # noqa: PTH118 - paths of any bytes
    while some := set(islice(rest, IN_MEMORY)):
        yield [_look_up(start, path) for path in sorted(some)]


def _look_up(start: bytes, path: bytes) -> File:
    try:
        status = os.stat(start + path)  # noqa: PTH116 - a path of any bytes
    except (OSError, ValueError):
        return path, 0, 0, 0
    # A copy may keep the time of its content, never that of its own last change.
    return path, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _pictures(folder: bytes, suffixes: Collection[str], leave_out: bytes, listing: Listing) -> Iterator[bytes]:
    """Yield the pictures that are read, and count the rest."""
    wanted = {os.fsencode(suffix) for suffix in suffixes}
    pictures = wanted.union(ARCHIVES, map(os.fsencode, PICTURES.split()))
    for entry, path in _walk(folder, leave_out, listing):
        name = entry.name
        suffix = name[name.rfind(b".") :].lower()
        if entry.is_symlink():
            listing.symbolic_links += 1
        elif name.startswith(b".") or not entry.is_file() or suffix not in pictures:
            listing.ignored += 1
        elif suffix in wanted:
            yield path
        else:
            listing.leave_out(path, 0, {os.fsdecode(suffix): 1})


def _named_in(lines: Iterable[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        if b"\0" in line:
            raise ValueError("not a text file")
        mark = b"" if number else codecs.BOM_UTF8
        if path := line.removeprefix(mark).removesuffix(b"\n").removesuffix(b"\r"):
            yield path


def _walk(folder: bytes, leave_out: bytes, listing: Listing) -> "Iterator[tuple[os.DirEntry[bytes], bytes]]":
    """Yield what is no folder, with its path below ``folder``, in no order."""
    # No recursion: folders may be nested deeper than Python lets a function call itself.
    folders = [(folder, b"")]
    while folders:
        place, prefix = folders.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        yield entry, prefix + entry.name
                    elif is_kept_by_a_system(entry.name):
                        listing.ignored += 1
                    elif os.path.realpath(entry.path) != leave_out:
                        folders.append((entry.path, prefix + entry.name + b"/"))
        except OSError as error:
            listing.unreadable_folders.append(f"{shown(prefix) or '.'}: {error.strerror}")
