"""From the bytes of an image file to a grey picture, upright, dark and light as a person sees them."""

import io
import struct
import warnings
import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.scan.shapes import Gray

# No others: a picture must not choose its decoder, least of all one that starts a program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
DEEP = ("I", "I;16", "I;16B", "I;16L", "F")
WITH_ALPHA = ("LA", "PA", "RGBA", "La", "RGBa")
MIDDLE = 127
# The rim of a stroke is less opaque.
MOST_RIM = 64
# Less of what a drawing covers is no ink.
LEAST_INK = 0.01
ONE_COLOUR = 48
# Of PNG (ISO/IEC 15948): the signature, how the first chunk begins, how it says 8-bit grey from the top to the bottom, which
# chunks change no pixel, what stands before and behind the content of one, how a line says by which filter it was written.
PNG = b"\x89PNG\r\n\x1a\n"
IHDR = b"\0\0\0\rIHDR"
GREY = b"\x08\0\0\0\0"
PLAIN_CHUNKS = (b"IHDR", b"IDAT", b"IEND", b"pHYs", b"tIME", b"gAMA", b"sRGB")
CHUNK_HEAD = struct.Struct(">I4s")
CHECKSUM = struct.Struct(">I")
NO_FILTER, SUB = 0, 1
LARGEST_PLAIN = 2**14
HOT_PIXELS = 8


class DecodeError(Exception):
    """The bytes are not a picture that can be scored; the message is the reason, for a person."""


def decode(content: bytes, *, maximum_pixels: int) -> Gray:
    """Decode an image file to (h, w) uint8 grey, turned as its EXIF says; what is transparent becomes paper.

    Colour becomes luminance, and the range of deep pictures 0 to 255. Raises DecodeError with the reason for anything that is
    not a whole picture of at most ``maximum_pixels``, and MemoryError.
    """
    if not content:
        raise DecodeError("empty file")
    plain = _plain_png(content, maximum_pixels)
    return _by_pillow(content, maximum_pixels) if plain is None else plain


def _plain_png(content: bytes, maximum_pixels: int) -> Gray | None:
    """Decode a small PNG of 8-bit grey that has nothing else in it, as Pillow does, in a sixth of the time.

    Gives None for every other file, and for one that is not whole.
    """
    if len(content) > LARGEST_PLAIN or not content.startswith(PNG + IHDR) or content[24:29] != GREY:
        return None
    width, height = struct.unpack_from(">II", content, len(PNG + IHDR))
    if not 0 < width * height <= maximum_pixels:
        return None
    lines = _inflated(_packed(content))
    if len(lines) != height * (width + 1):
        return None
    filters, pixels = lines[:: width + 1], np.frombuffer(lines, np.uint8).reshape(height, width + 1)[:, 1:]
    # As OpenCV writes them, and encoders that do not choose; three times as fast as to inflate the file again.
    if filters.count(NO_FILTER) == height:
        return pixels.copy()
    if filters.count(SUB) == height:
        return np.add.accumulate(pixels, axis=1, dtype=np.uint8)
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return None if picture is None else np.asarray(picture, np.uint8)


def _packed(content: bytes) -> bytes:
    """Give what a PNG packs, or nothing where a chunk is broken or may matter, or the last one is not the last."""
    data, kind, place = b"", b"", len(PNG)
    try:
        while place < len(content):
            length, kind = CHUNK_HEAD.unpack_from(content, place)
            end = place + CHUNK_HEAD.size + length
            checked = content[place + 4 : end]
            if kind not in PLAIN_CHUNKS or CHECKSUM.unpack_from(content, end) != (zlib.crc32(checked),):
                return b""
            if kind == b"IDAT":
                data += checked[4:]
            place = end + CHECKSUM.size
    except struct.error:  # it ends inside a chunk
        return b""
    return data if kind == b"IEND" else b""


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""


def _by_pillow(content: bytes, maximum_pixels: int) -> Gray:
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > maximum_pixels:
                raise DecodeError(f"{width}x{height} pixels, more than {maximum_pixels}")
            picture.load()
            return _grey(_upright(picture))
    except (DecodeError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise DecodeError("declares too many pixels") from None
    except Exception as error:  # whatever a decoder raises on broken bytes is this picture's reason
        raise DecodeError(_reason(error)) from error


def _upright(picture: Any) -> Any:
    """Turn a picture as its EXIF says; an EXIF that cannot be read says nothing."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return picture


def _grey(picture: Any) -> Gray:
    if picture.mode in DEEP:
        return _shallow(np.asarray(picture, np.float32))
    if picture.mode not in WITH_ALPHA and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"))
    rgba = picture.convert("RGBA")
    return _on_paper(np.asarray(rgba.convert("RGB").convert("L")), np.asarray(rgba.getchannel("A")))


def _shallow(deep: npt.NDArray[np.float32]) -> Gray:
    """Bring a picture of any depth to 0 to 255, whatever a few hot or dead pixels say; numbers that are none become 0."""
    deep = np.nan_to_num(deep, posinf=0, neginf=0)
    extreme = min(HOT_PIXELS + deep.size // 10_000, deep.size // 20)
    ordered = np.partition(deep, (extreme, deep.size - 1 - extreme), axis=None)
    darkest, lightest = ordered[extreme], ordered[deep.size - 1 - extreme]
    if lightest <= darkest:
        darkest, lightest = ordered.min(), ordered.max()
    span = max(float(lightest - darkest), np.finfo(np.float32).tiny)
    return np.asarray(np.clip((deep - darkest) / span, 0, 1) * 255, np.uint8)


def _on_paper(grey: Gray, alpha: Gray) -> Gray:
    """Lay a picture, grey and alpha of (h, w) uint8, on paper that its ink stands out from."""
    paper = _paper_under(grey, alpha)
    opacity = alpha.astype(np.float32) / 255
    return np.asarray(np.round(grey * opacity + paper * (1 - opacity)), np.uint8)


def _paper_under(grey: Gray, alpha: Gray) -> int:
    """Tell whether what is transparent lies around a page, whose colour it gets, or under a drawing, whose ink tells.

    A page covers most of the picture and has ink of another colour on it. A drawing that has dark and light in it is in dark
    ink, the light is an eraser's; but the rim of a light stroke, which lets most of the ground through, may be dark.
    """
    colours = grey[alpha > min(MOST_RIM, alpha.max() / 2)]
    if not len(colours):
        return 0
    low, high = np.quantile(colours, (0.01, 0.99))
    if len(colours) > grey.size / 2 and high - low > ONE_COLOUR:
        return int(np.median(colours))
    return 255 if np.count_nonzero(colours <= MIDDLE) > LEAST_INK * len(colours) else 0


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not an image that can be read"
    return f"broken image: {' '.join(str(error).split())[:120] or type(error).__name__}"
