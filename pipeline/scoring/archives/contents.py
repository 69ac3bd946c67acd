"""Which pictures there are in an archive, by the rules of a folder."""

import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import BinaryIO

from pipeline.digits.pictures.files.limits import DecodeError
from pipeline.scoring.archives import tars, zips
from pipeline.scoring.archives.member import FAULT, Member, content_of, faulty, words_of
from pipeline.scoring.kinds import ARCHIVES, PICTURES, is_hidden

MOST_MEMBERS = 2**20
LEADS_OUT = "its name leads out of the archive"
NESTED = "an archive in an archive is not read"


@dataclass
class Contents:
    """What is in an archive: pictures and faults, in no order; and what was left out, as in ``Listing``."""

    archive: bytes
    members: list[Member] = field(default_factory=list)
    ignored: int = 0
    unread: Counter[str] = field(default_factory=Counter)


def find(path: bytes, file: BinaryIO, suffixes: Collection[str], maximum_bytes: int) -> Contents:
    """List the pictures of an archive by the rules of a folder. Raises OSError, and nothing for whatever it contains.

    ``path``: the archive's own below the folder, before which of its members stands. ``suffixes``: of pictures that are read.
    """
    found, members = Contents(path), dict[bytes, Member]()
    wanted = {os.fsencode(suffix) for suffix in suffixes}
    fault = ""
    try:
        for one in (zips if path.lower().endswith(b".zip") else tars).members(file):
            if kept := _kept(one, path, found, wanted, maximum_bytes):
                found.ignored += kept.path in members  # unpacked, it would be replaced
                members[kept.path] = kept
                if len(members) == MOST_MEMBERS:
                    fault = f"more than {MOST_MEMBERS} pictures: those after them are not read. Make it several archives"
                    break
    except DecodeError as error:
        fault = str(error)
    except (zipfile.BadZipFile, tarfile.TarError, ValueError, OverflowError, NotImplementedError) as error:
        fault = f"not an archive, or cut short: {words_of(error)}"
    if fault or not members:
        found.members.append(faulty(path, fault or "an archive without a picture"))
    found.members += members.values()
    return found


def read(file: BinaryIO, place: list[int]) -> bytes | BinaryIO:
    """Read a member of an archive, from where ``find`` found it. A large one is given as a file, open to be read.

    Raises DecodeError and OSError.
    """
    start, size, *rest = place
    if rest:
        return zips.read(file, start, size, *rest)
    file.seek(start)
    return content_of(file, size)


def _kept(member: Member, archive: bytes, found: Contents, suffixes: Collection[bytes], maximum_bytes: int) -> Member | None:
    """Give a member, by its path below the folder, if it gets a row, and count another one."""
    path = member.path
    parts = [part for part in path.split(b"/") if part not in (b"", b".")] or [b""]
    inner = b"/".join(parts)
    suffix = inner[inner.rfind(b".") :].lower()
    is_left_out = is_hidden(inner)
    if is_left_out or (suffix not in suffixes and suffix not in ARCHIVES):
        is_picture = not is_left_out and os.fsdecode(suffix) in PICTURES.split()
        found.unread.update([os.fsdecode(suffix)] if is_picture else [])
        found.ignored += not is_picture
        return None
    if path.startswith(b"/") or b".." in parts:
        return faulty(archive + b"/" + path, LEADS_OUT)
    path = archive + b"/" + inner
    if suffix in ARCHIVES:
        return faulty(path, NESTED)
    if member.size > maximum_bytes and not member.place.startswith(FAULT):
        return faulty(path, f"{member.size} bytes, more than {maximum_bytes}")
    return Member(path, member.size, member.place)
