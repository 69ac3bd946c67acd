"""Whether a picture is whole.

The part that a broken transfer left out, or that a copy has not written yet, may be zeros, which most decoders draw.
"""

import os
import struct
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.files import jpeg, png

# WebP (RFC 9649): pieces with their kinds and lengths, behind the length of the file and its kind.
RIFF, WEBP, PIECE = b"RIFF", b"WEBP", struct.Struct("<4sL")
# ISO 14496-12, for AVIF, HEIC and JPEG 2000: boxes with their lengths and kinds; a length of 1 stands for one of 64 bits.
FIRST_BOXES, BOX, LONG_BOX = (b"ftyp", b"jP  "), struct.Struct(">L4s"), struct.Struct(">Q")
# JPEG 2000 (ISO 15444-1) without boxes, its box, and the mark at its end.
CODESTREAM, CODESTREAM_BOX, CODESTREAM_END = b"\xff\x4f\xff\x51", b"jp2c", b"\xff\xd9"
# Compressed pixels end in few zeros. Where much of a page is blank, up to one byte in this many of their piece are zeros.
FEW_ZEROS = 16
MOST_PIECES = 2**16
ONE_IN = {b"VP8 ": 8, b"ANMF": 8, b"VP8L": 32, b"mdat": 32}
# For uncompressed pixels: a smaller picture is written at once; a smaller share of missing rows does not matter.
SMALLEST, LEAST_MISSING = 2**12, 1 / 16


class Piece(NamedTuple):
    """A part of a file: its kind, where its content begins, and where it ends."""

    kind: bytes
    start: int
    end: int


def is_whole(file: BinaryIO) -> bool:
    """Tell whether a file has the end that its kind demands; for a kind without one, whether it ends in no needless zeros."""
    file.seek(0)
    start = file.read(12)
    if start.startswith(jpeg.START):
        return jpeg.is_whole(start + file.read())
    if start.startswith(png.START):
        return png.has_end(file)
    if start.startswith(CODESTREAM):
        return _ends_as_codestream(file, file.seek(0, os.SEEK_END))
    if start.startswith(RIFF) and start.endswith(WEBP):
        pieces = _pieces(file)
    elif start[4:8] in FIRST_BOXES:
        pieces = _boxes(file)
    else:
        return True
    return all(_is_whole(file, piece) for piece in islice(pieces, MOST_PIECES))


def ends_in_zeros(file: BinaryIO, start: int, end: int, one_in: int = 32) -> bool:
    """Tell whether the bytes between two places end in zeros: more than a few, and more than one byte in ``one_in``."""
    length = end - start
    zeros = min(max(FEW_ZEROS, length // one_in), length)
    file.seek(end - zeros)
    return zeros > 0 and not any(file.read(zeros))


def is_perhaps_half(rows: Gray) -> bool:
    """Tell whether the last rows of a picture, in the order of the file, may never have been written.

    ``rows``: (h, w) uint8. Such rows have one value to the last byte, which neither the paper above nor a frame has.
    """
    value = rows[-1, -1]
    last = int(np.flatnonzero((rows != value).any(axis=1))[-1:].sum())
    if rows.size < SMALLEST or not last or len(rows) - 1 - last < LEAST_MISSING * len(rows):
        return False
    # The last row with anything else in it may be half written.
    return bool(np.count_nonzero(rows[last - 1] != value) > rows.shape[1] / 2 and (rows[0] != value).any())


def _is_whole(file: BinaryIO, piece: Piece) -> bool:
    if piece.kind == CODESTREAM_BOX:
        return _ends_as_codestream(file, piece.end)
    return piece.kind not in ONE_IN or not ends_in_zeros(file, piece.start, piece.end, ONE_IN[piece.kind])


def _ends_as_codestream(file: BinaryIO, end: int) -> bool:
    file.seek(max(0, end - FEW_ZEROS))
    return file.read(min(end, FEW_ZEROS)).rstrip(b"\0").endswith(CODESTREAM_END)


def _pieces(file: BinaryIO) -> Iterator[Piece]:
    size, place = file.seek(0, os.SEEK_END), len(RIFF) + 4 + len(WEBP)
    while place + PIECE.size <= size:
        file.seek(place)
        kind, length = PIECE.unpack(file.read(PIECE.size))
        place += PIECE.size
        yield Piece(kind, place, min(size, place + length))
        place += length + length % 2


def _boxes(file: BinaryIO) -> Iterator[Piece]:
    size, place = file.seek(0, os.SEEK_END), 0
    while place + BOX.size <= size:
        file.seek(place)
        length, kind = BOX.unpack(file.read(BOX.size))
        start = place + BOX.size
        if length == 1 and start + LONG_BOX.size <= size:
            (length,) = LONG_BOX.unpack(file.read(LONG_BOX.size))
            start += LONG_BOX.size
        # The last one may say no length.
        place = place + length if length >= BOX.size else size
        yield Piece(kind, min(start, size), min(size, place))
