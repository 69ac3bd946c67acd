"""Which files of a folder are pictures to score, in the order of the CSV."""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.names import shown

NAMED = 3
# What scanners, phones, cameras and drawing programs write: whoever put it there wants it read.
PICTURES = (
    ".3fr .ai .apng .arw .avif .bmp .cr2 .cr3 .crw .dib .djvu .dng .emf .eps .erf .gif .heic .heif .hif .ico .iiq .j2k .jfif "
    ".jp2 .jpe .jpeg .jpg .jpx .jxl .kdc .mpo .mrw .nef .nrw .orf .pbm .pcx .pdf .pef .pgm .png .pnm .ppm .ps .psd .raf .raw "
    ".rw2 .rwl .sr2 .srf .srw .svg .svgz .tga .tif .tiff .webp .wmf .x3f .xcf"
)


@dataclass
class Listing:
    """The pictures of a folder, by their paths below it (bytes, forward slashes, in byte order), and what was left out.

    ``unread_pictures`` are pictures by their suffix, which is not among those asked for; ``ignored`` counts what is neither.
    ``fingerprint`` changes when a picture is added, removed or changed, by name, size and time of change.
    """

    images: list[bytes] = field(default_factory=list)
    unread_pictures: list[bytes] = field(default_factory=list)
    ignored: int = 0
    symbolic_links: int = 0
    unreadable_folders: list[str] = field(default_factory=list)
    fingerprint: str = ""

    @property
    def unread_by_suffix(self) -> dict[str, int]:
        """Count the pictures that are not read, by their suffix in lower case."""
        return dict(sorted(Counter(_suffix(path) for path in self.unread_pictures).items()))

    @property
    def unread_words(self) -> str:
        """Name the pictures that are not read; nothing where there are none."""
        if not self.unread_pictures:
            return ""
        return f"pictures of a kind that is not read: {name_some(self.unread_pictures)} ({len(self.unread_pictures)} in all)"

    @property
    def unreadable_words(self) -> str:
        """Name the folders that could not be read; nothing where there are none."""
        return f"folders that could not be read: {name_some(self.unreadable_folders)}" if self.unreadable_folders else ""


def list_images(folder: Path, suffixes: Collection[str], leave_out: Path) -> Listing:
    """List the files below ``folder`` whose names end in one of ``suffixes`` (with dots, lower case), in any case.

    Hidden files, other files and symbolic links are counted; ``leave_out``, the output, is not looked into.
    """
    listing = Listing()
    digest = hashlib.sha256()
    pictures = {*PICTURES.split(), *suffixes}
    for entry, path in _walk(os.fsencode(folder), os.fsencode(leave_out.resolve()), listing):
        suffix = _suffix(entry.name)
        if entry.is_symlink():
            listing.symbolic_links += 1
        elif entry.name.startswith(b".") or not entry.is_file() or suffix not in pictures:
            listing.ignored += 1
        elif suffix not in suffixes:
            listing.unread_pictures.append(path)
        else:
            listing.images.append(path)
            digest.update(b"%s\0%s\0" % (path, _state(entry)))
    listing.fingerprint = digest.hexdigest()
    return listing


def name_some(names: Collection[Path | str | bytes]) -> str:
    """Name the first few of some files or folders, and say when there are more."""
    first = ", ".join(shown(name) for name in list(names)[:NAMED])
    return f"{first} and {len(names) - NAMED} more" if len(names) > NAMED else first


def _walk(folder: bytes, leave_out: bytes, listing: Listing) -> "Iterator[tuple[os.DirEntry[bytes], bytes]]":
    """Yield what is no folder, with its path below ``folder``."""
    # No recursion: folders may be nested deeper than Python lets a function call itself.
    levels = [_entries(folder, b"", listing)]
    while levels:
        entry, path = next(levels[-1], (None, b""))
        if entry is None:
            levels.pop()
        elif not entry.is_dir(follow_symlinks=False):
            yield entry, path
        elif entry.name.startswith(b"."):
            listing.ignored += 1
        elif os.path.realpath(entry.path) != leave_out:
            levels.append(_entries(entry.path, path + b"/", listing))


def _entries(folder: bytes, prefix: bytes, listing: Listing) -> "Iterator[tuple[os.DirEntry[bytes], bytes]]":
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except OSError as error:
        listing.unreadable_folders.append(f"{shown(prefix) or '.'}: {error.strerror}")
        return iter(())
    # A folder sorts as its name with a slash, so that whole paths come in byte order.
    entries.sort(key=lambda entry: entry.name + b"/" * entry.is_dir(follow_symlinks=False))
    return ((entry, prefix + entry.name) for entry in entries)


def _suffix(path: bytes) -> str:
    _, dot, ending = path.rpartition(b".")
    return (dot + ending).decode("ascii", "replace").lower()


def _state(entry: "os.DirEntry[bytes]") -> bytes:
    try:
        status = entry.stat()
    except OSError:
        return b"gone"
    return b"%d %d" % (status.st_size, status.st_mtime_ns)
