"""Which files of a folder are pictures to score, in the order of the CSV."""

import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Listing:
    """The pictures of a folder, by their paths below it (bytes, forward slashes, in byte order), and what was left out.

    ``fingerprint`` changes when a picture is added, removed or changed, by name, size and time of change.
    """

    images: list[bytes] = field(default_factory=list)
    ignored: int = 0
    symbolic_links: int = 0
    unreadable_folders: list[str] = field(default_factory=list)
    fingerprint: str = ""


def list_images(folder: Path, suffixes: Collection[str], leave_out: Path) -> Listing:
    """List the files below ``folder`` whose names end in one of ``suffixes`` (with dots, lower case), in any case.

    Hidden files, other files and symbolic links are counted; ``leave_out``, the output, is not looked into.
    """
    listing = Listing()
    endings = tuple(os.fsencode(suffix) for suffix in suffixes)
    digest = hashlib.sha256()
    for entry, path in _walk(os.fsencode(folder), b"", os.fsencode(leave_out.resolve()), listing):
        if entry.is_symlink():
            listing.symbolic_links += 1
        elif entry.name.startswith(b".") or not entry.name.lower().endswith(endings) or not entry.is_file():
            listing.ignored += 1
        else:
            listing.images.append(path)
            digest.update(b"%s\0%s\0" % (path, _state(entry)))
    listing.fingerprint = digest.hexdigest()
    return listing


def _walk(folder: bytes, prefix: bytes, leave_out: bytes, listing: Listing) -> "Iterator[tuple[os.DirEntry[bytes], bytes]]":
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except OSError as error:
        listing.unreadable_folders.append(f"{text(prefix) or '.'}: {error.strerror}")
        return
    # A folder sorts as its name with a slash, so that whole paths come in byte order.
    folders = {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}
    for entry in sorted(entries, key=lambda entry: entry.name + b"/" * (entry.name in folders)):
        if entry.name not in folders:
            yield entry, prefix + entry.name
        elif entry.name.startswith(b"."):
            listing.ignored += 1
        elif os.path.realpath(entry.path) != leave_out:
            yield from _walk(entry.path, prefix + entry.name + b"/", leave_out, listing)


def _state(entry: "os.DirEntry[bytes]") -> bytes:
    try:
        status = entry.stat()
    except OSError:
        return b"gone"
    return b"%d %d" % (status.st_size, status.st_mtime_ns)


def text(path: bytes) -> str:
    r"""Write a path as text: what is no UTF-8 becomes ``\xNN``."""
    return path.decode("utf-8", "backslashreplace")
