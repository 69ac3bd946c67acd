"""Which pictures there are to score, in the order of the CSV: a file with a line for each, since there may be millions."""

import bisect
import codecs
import hashlib
import os
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedRandom
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.scoring.lookup import Entry, entries
from pipeline.scoring.ordering import in_order
from pipeline.scoring.process import Worker

NAMED = 3
# Lines that are written with one call.
AT_ONCE = 256
STANDARD_INPUT = Path("-")
# Folders that systems and shares make for themselves, of thumbnails, of what was deleted, of earlier states and of what the
# Finder keeps beside files, in lower case; all others of that kind are hidden.
KEPT_BY_SYSTEMS = frozenset(
    b"$recycle.bin,recycled,recycler,#recycle,@recycle,system volume information,found.000,lost+found,@eadir,@tmp,@sharebin,"
    b"@recently-snapshot,#snapshot,~snapshot,__macosx,temporary items,network trash folder,thevolumesettingsfolder".split(b",")
)
# What scanners, phones, cameras and drawing programs write: whoever put it there wants it read.
PICTURES = (
    ".3fr .ai .apng .arw .avif .bmp .cr2 .cr3 .crw .dib .djvu .dng .emf .eps .erf .gif .heic .heif .hif .ico .iiq .j2k .jfif "
    ".jp2 .jpe .jpeg .jpg .jpx .jxl .kdc .mpo .mrw .nef .nrw .orf .pbm .pcx .pdf .pef .pgm .png .pnm .ppm .ps .psd .raf .raw "
    ".rw2 .rwl .sr2 .srf .srw .svg .svgz .tga .tif .tiff .webp .wmf .x3f .xcf"
)


@dataclass
class Listing:
    """The pictures to score, one a line of ``file``, and what was left out.

    Lines stand in the byte order of the paths, which have forward slashes. ``sha256`` is of the lines: it changes when a
    picture is added, removed or changed, by name, size and time of change. ``unread_pictures`` are pictures by their suffix,
    which is not among those asked for, the first few by name; ``ignored`` counts what is neither.
    """

    file: BufferedRandom
    images: int = 0
    sha256: str = ""
    unread_pictures: list[bytes] = field(default_factory=list)
    unread_by_suffix: Counter[str] = field(default_factory=Counter)
    ignored: int = 0
    symbolic_links: int = 0
    unreadable_folders: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Close the file when nobody has the listing any more."""
        weakref.finalize(self, _close, self.file)

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


def list_folder(folder: Path, suffixes: Collection[str], leave_out: Path, workers: Iterable[Worker] = ()) -> Listing:
    """List the files below ``folder`` whose names end in one of ``suffixes`` (with dots, lower case), in any case.

    Hidden files, other files and symbolic links are counted; ``leave_out``, the output, is not looked into; ``workers`` have
    nothing else to do and help. Raises PipelineError when the folder for temporary files has no room.
    """
    listing, place = _empty(), os.fsencode(folder)
    _fill(listing, entries(place, _pictures(place, suffixes, os.fsencode(leave_out.resolve()), listing), workers))
    listing.unreadable_folders.sort()
    return listing


def list_paths(text: Path) -> Listing:
    """List the files that a text names, one path a line, or standard input where it is ``-``.

    Every path counts once, whatever it leads to. Raises PipelineError where it cannot be read or is no text.
    """
    listing = _empty()
    try:
        with sys.stdin.buffer if text == STANDARD_INPUT else text.open("rb") as lines:
            _fill(listing, entries(b"", _named_in(lines)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PipelineError(f"{shown(text)}: {reason}. Name a folder, or a text file with one path a line.") from None
    return listing


def is_kept_by_a_system(folder: bytes) -> bool:
    """Tell by its name a folder that is hidden, or holds what nobody put there to be read."""
    return folder.startswith(b".") or folder.lower() in KEPT_BY_SYSTEMS


def read_listing(file: Path) -> Iterator[bytes]:
    """Read the lines of a listing that was kept."""
    with file.open("rb") as lines:
        yield from lines


def name_some(names: Collection[Path | str | bytes]) -> str:
    """Name the first few of some files or folders, and say when there are more."""
    return _named(list(names)[:NAMED], len(names))


def _named(first: Iterable[Path | str | bytes], count: int) -> str:
    words = ", ".join(shown(name) for name in first)
    return f"{words} and {count - NAMED} more" if count > NAMED else words


def _empty() -> Listing:
    try:
        return Listing(tempfile.TemporaryFile())
    except OSError as error:
        raise _no_room(error) from error


def _close(file: BinaryIO) -> None:
    with suppress(OSError):  # a full disk, which was said already
        file.close()


def _fill(listing: Listing, entries: Iterable[Entry]) -> None:
    lines = _of_each_path(in_order(entries))
    while some := list(islice(lines, AT_ONCE)):
        _write(listing.file, b"".join(some))
        listing.images += len(some)
    try:
        listing.file.seek(0)
        listing.sha256 = hashlib.file_digest(listing.file, "sha256").hexdigest()
    except OSError as error:  # the lines that waited to be written
        raise _no_room(error) from error


def _of_each_path(entries: Iterable[Entry]) -> Iterator[bytes]:
    last = None
    for path, line in entries:
        if path != last:
            yield line
        last = path


def _write(file: BinaryIO, lines: bytes) -> None:
    try:
        file.write(lines)
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> PipelineError:
    place = shown(tempfile.gettempdir())
    return PipelineError(f"{place}: cannot write the listing: {error.strerror}. Make room, or name another folder in TMPDIR.")


def _pictures(folder: bytes, suffixes: Collection[str], leave_out: bytes, listing: Listing) -> Iterator[bytes]:
    """Yield the pictures that are read, and count the rest."""
    wanted = {os.fsencode(suffix) for suffix in suffixes}
    pictures = wanted.union(map(os.fsencode, PICTURES.split()))
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
            listing.unread_by_suffix[os.fsdecode(suffix)] += 1
            bisect.insort(listing.unread_pictures, path)
            del listing.unread_pictures[NAMED:]


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
