"""Files in a ZIP archive."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from operator import attrgetter
from typing import BinaryIO

from pipeline.digits.pictures.files.limits import DecodeError
from pipeline.scoring.archives.member import Careful, Member, content_of, faulty, words_of

# How members of a ZIP are compressed that can be read: stored, deflated, bzip2, LZMA.
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
ENCRYPTED = 1
# What stands before a member of a ZIP: a mark, and the lengths of the two fields after it.
LOCAL_HEADER, LOCAL_MARK = struct.Struct("<4s22xHH"), b"PK\3\4"


def members(file: BinaryIO) -> Iterator[Member]:
    """Find them. Raises BadZipFile, ValueError and NotImplementedError where the archive is broken or none."""
    with zipfile.ZipFile(Careful(file)) as archive:
        infos = archive.infolist()
    # Members that share bytes are how a small archive becomes endless.
    overlapping = set[int]()
    end = 0
    for info in sorted(infos, key=attrgetter("header_offset")):
        if info.header_offset < end:
            overlapping.add(id(info))
        end = max(end, info.header_offset + info.compress_size)
    for info in infos:
        if info.is_dir():
            continue
        name = info.filename.encode("utf-8", "surrogateescape")
        if info.flag_bits & ENCRYPTED:
            yield faulty(name, "encrypted: the archive has a password")
        elif info.compress_type not in METHODS:
            yield faulty(name, f"compressed in a way that is not read (method {info.compress_type})")
        elif id(info) in overlapping:
            yield faulty(name, "shares its bytes with another member, as in a ZIP bomb")
        else:
            place = f"{info.header_offset} {info.file_size} {info.compress_size} {info.compress_type} {info.CRC}"
            yield Member(name, info.file_size, place)


def read(file: BinaryIO, start: int, size: int, *rest: int) -> bytes | BinaryIO:
    """Read one from where it begins: its size, and that in the archive, how it is compressed, and its checksum.

    Raises DecodeError and OSError.
    """
    info = zipfile.ZipInfo()
    info.file_size = size
    info.compress_size, info.compress_type, info.CRC = rest
    file.seek(start)
    head = file.read(LOCAL_HEADER.size)
    try:
        mark, *lengths = LOCAL_HEADER.unpack(head)
        if mark != LOCAL_MARK:
            raise zipfile.BadZipFile("its header is missing")
        file.seek(start + LOCAL_HEADER.size + sum(lengths))
        with zipfile.ZipExtFile(file, "r", info) as member:
            return content_of(member, size)  # type: ignore[arg-type]
    except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, ValueError, struct.error) as error:
        raise DecodeError(f"broken in the archive: {words_of(error)}") from error
