"""The chunks of a PNG file (ISO/IEC 15948), read before any pixel is."""

import struct
import zlib
from typing import BinaryIO

START = b"\x89PNG\r\n\x1a\n"
HEAD, PIXELS, END = b"IHDR", b"IDAT", b"IEND"
# What stands before and behind the content of a chunk.
BEFORE = struct.Struct(">I4s")
CHECKSUM = struct.Struct(">I")


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Give the kind and the content of each chunk; nothing where a chunk is broken, or the last is not the end."""
    found, kind, place = [], b"", len(START)
    try:
        while place < len(content):
            length, kind = BEFORE.unpack_from(content, place)
            end = place + BEFORE.size + length
            checked = content[place + 4 : end]
            if CHECKSUM.unpack_from(content, end) != (zlib.crc32(checked),):
                return []
            found.append((kind, checked[4:]))
            place = end + CHECKSUM.size
    except struct.error:  # it ends inside a chunk
        return []
    return found if kind == END else []


def has_end(file: BinaryIO) -> bool:
    """Tell whether a file's chunks lead to the last one. A broken transfer may leave zeros, which decoders draw."""
    place = len(START)
    file.seek(place)
    while len(before := file.read(BEFORE.size)) == BEFORE.size:
        length, kind = BEFORE.unpack(before)
        if kind == END:
            return True
        if not kind.isalpha():
            return False
        place += BEFORE.size + length + CHECKSUM.size
        file.seek(place)
    return False
