"""Files in a tar archive."""

import struct
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from pipeline.digits.pictures.files.limits import DecodeError
from pipeline.names import shown
from pipeline.scoring.archives.member import CUT, Careful, Member, faulty, place_of

# What stands before a file in a tar: name, size, checksum, which counts itself as spaces, kind, mark, what precedes the name.
TAR_HEADER = struct.Struct("100s 24x 12s 12x 8s c 100x 5s 83x 155s 12x")
FILE, USTAR, SPACES = b"0", b"ustar", 8 * ord(" ")


def members(file: BinaryIO) -> Iterator[Member]:
    """Find them. Raises DecodeError where the archive is broken, and TarError where it is none."""
    careful = Careful(file)
    with tarfile.open(fileobj=careful, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
        archive.next()  # it has read the first one already
        archive.offset = 0
        try:
            while True:
                # What is plain is read here, in a fifth of the time that the library takes, and the rest by the library.
                while not archive.pax_headers and (plain := _plain(careful, archive.offset)):
                    yield plain
                    start, size = place_of(plain.place)
                    archive.offset = start + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                archive.members = []  # type: ignore[attr-defined]  # or it would keep all of them
                if not (info := archive.next()):
                    break
                name = info.name.encode("utf-8", "surrogateescape")
                if info.islnk():
                    yield faulty(name, f"a link to {shown(info.linkname)}, in the archive")
                elif info.issparse():
                    yield faulty(name, "stored with holes, which is not read")
                elif info.isreg():
                    yield Member(name, info.size, f"{info.offset_data} {info.size}")
        except tarfile.ReadError as error:
            raise DecodeError(CUT) from error
        # It also ends in silence where what comes next is no header.
        careful.seek(archive.offset)
        block = careful.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise DecodeError(CUT)
    if block.strip(b"\0"):
        raise DecodeError("broken: members after these cannot be found")


def _plain(file: "Careful", start: int) -> Member | None:
    """Read the header of a file with a short name, by POSIX; None for any other."""
    file.seek(start)
    block = file.read(tarfile.BLOCKSIZE)
    with suppress(ValueError, struct.error):
        name, size, checksum, kind, mark, before = TAR_HEADER.unpack(block)
        is_whole = sum(block) - sum(checksum) + SPACES == int(checksum.rstrip(b" \0"), 8)
        length = int(size.rstrip(b" \0"), 8)
        if is_whole and length >= 0 and kind == FILE and mark == USTAR and not before[0]:
            return Member(name.partition(b"\0")[0], length, f"{start + tarfile.BLOCKSIZE} {length}")
    file.seek(start)
    return None
