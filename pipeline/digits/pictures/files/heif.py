"""HEIC and HEIF, as phones write them, by pi-heif."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.files import grey
from pipeline.digits.pictures.files.limits import DecodeError, Limits, shrinking

# ISO 14496-12 puts `ftyp` at byte 4 and the brand behind it; these are the brands of ISO 23008-12.
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
# A file that readers of AVIF can read too names this brand among the others in its first box.
AVIF = b"avif"


def is_heif(start: bytes) -> bool:
    """Tell a HEIF file by its first bytes."""
    return start[4:8] == b"ftyp" and start[8:12] in BRANDS and AVIF not in start[8 : int.from_bytes(start[:4])]


def pages(file: BinaryIO, limits: Limits) -> Iterator[Gray]:
    """Decode the main picture, upright as the file says."""
    try:
        import pi_heif
    except ImportError:
        raise DecodeError("a HEIC file, which needs the extra formats: pip install '.[formats]'") from None
    pi_heif.options.DECODE_THREADS = 1  # pictures are decoded in as many processes as there are cores
    opened = pi_heif.open_heif(file)
    picture = opened[opened.primary_index]
    limits.require(*picture.size)
    yield grey.of_pixels(np.asarray(picture), shrinking(*picture.size))
