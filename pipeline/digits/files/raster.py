"""Pictures in pixels, of every kind that Pillow decodes: page by page, and in bands of rows, so that memory is bounded."""

import struct
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

import cv2
import numpy as np
import numpy.typing as npt
from cv2.utils import logging

from pipeline.digits.files import grey, jpeg, png, tiff
from pipeline.digits.files.limits import Decoded, DecodeError, Limits, attempt, shrinking
from pipeline.digits.scan.shapes import Gray

# No others: a picture must not choose its decoder, least of all one that starts a program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
DEEP = ("I", "I;16", "I;16B", "I;16L", "F")
BAND_PIXELS = 2**20
ORIENTATION, PHOTOMETRIC = 0x0112, 262
WHITE_IS_ZERO = 0
# In what Pillow calls the layout of pixels that it would cut to 8 bits.
DEEP_COLOUR = ";16"
REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}


def pages(file: BinaryIO, limits: Limits) -> Iterator[Decoded]:
    """Decode every page of a TIFF file, and what else there is first in another."""
    start = file.read(4)
    if start.startswith(jpeg.START) and not jpeg.is_whole(start + file.read()):
        raise DecodeError("broken image: cut short, its end is missing")
    listed = tiff.list_pages(file, limits.pages) if tiff.is_tiff(start) else tiff.Pages([0], "")
    file.seek(0)
    picture = _opened(file) if listed.numbers else None
    for number in listed.numbers:
        yield attempt(partial(_page, picture, file, number, limits))
    if listed.fault:
        yield DecodeError(f"broken image: {listed.fault}")


def _opened(file: BinaryIO) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(action="ignore"):
            return Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise DecodeError("declares too many pixels") from None
    except UnidentifiedImageError:
        raise DecodeError("not an image that can be read") from None


def _page(picture: Any, file: BinaryIO, number: int, limits: Limits) -> Gray:
    with warnings.catch_warnings(action="ignore"):
        picture.seek(number)
        limits.require(*picture.size)
        if (factor := shrinking(*picture.size)) > 1:
            # JPEG alone, whose decoder shrinks while it reads; of a progressive one it keeps more than all pixels meanwhile.
            less = factor * (2 if picture.info.get("progressive") else 1)
            picture.draft(None, tuple(side // less for side in picture.size))
        is_deep = DEEP_COLOUR in str(picture.tile) and picture.mode in ("RGB", "RGBA")
        orientation = _orientation(picture)
        pixels = _by_opencv(picture, file, number, factor, is_deep=is_deep)
        if pixels is not None:
            return grey.turned(grey.of_pixels(pixels, factor if len(pixels) == picture.height else 1), orientation)
        picture.load()
        return grey.turned(_grey(picture), orientation)


def _by_opencv(picture: Any, file: BinaryIO, number: int, factor: int, *, is_deep: bool) -> npt.NDArray[Any] | None:
    """Read what Pillow would read with fewer bits, or in far more memory: RGB or RGBA, (h, w, 3 or 4)."""
    is_large_webp = picture.format == "WEBP" and factor > 1 and not picture.is_animated
    if not (is_deep and factor == 1) and not is_large_webp:
        return None
    how = REDUCED[factor] if is_large_webp and picture.mode == "RGB" else cv2.IMREAD_UNCHANGED
    file.seek(0)
    content = file.read()
    # By what a broken chunk declares, OpenCV would take gigabytes.
    if picture.format == "PNG" and not png.chunks(content):
        return None
    # What it has against a file becomes a reason.
    loudness = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        given = np.frombuffer(content, np.uint8)
        if picture.format == "TIFF":
            _, (pixels,) = cv2.imdecodemulti(given, how, range=(number, number + 1))
        else:
            pixels = cv2.imdecode(given, how | cv2.IMREAD_IGNORE_ORIENTATION)
    finally:
        logging.setLogLevel(loudness)
    if pixels is None:
        return None
    code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(pixels, code))


def _orientation(picture: Any) -> int:
    """Read it from the EXIF, and keep Pillow from turning a copy; an EXIF that cannot be read says nothing."""
    try:
        exif = picture.getexif()
        orientation = exif.get(ORIENTATION, 1)
        exif[ORIENTATION] = 1
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1
    return orientation if isinstance(orientation, int) else 1


def _grey(picture: Any) -> Gray:
    if picture.mode in DEEP:
        shades = grey.of_deep(_shrunk(picture, "F"))
        is_negative = getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO
        return np.bitwise_not(shades) if is_negative else shades
    if picture.mode in ("1", "L", "LAB") and not picture.has_transparency_data:
        return _shrunk(picture.getchannel(0), "L")
    mode, of_pixels = ("RGBA", grey.of_transparent) if picture.has_transparency_data else ("RGB", grey.of_colour)
    pixels = _shrunk(picture, mode)
    picture.im = None  # all that Pillow decoded, which is the most of the memory
    return of_pixels(pixels)


def _shrunk(picture: Any, mode: str) -> npt.NDArray[Any]:
    """Convert and shrink a picture, band by band."""
    width, height = picture.size
    factor = shrinking(width, height)
    rows = max(1, BAND_PIXELS // (width * factor)) * factor
    bands = (_band(picture.crop((0, top, width, min(top + rows, height))), mode, factor) for top in range(0, height, rows))
    first = next(bands)
    if rows >= height:
        return first
    whole = np.empty((-(-height // factor), *first.shape[1:]), first.dtype)
    top = 0
    for band in (first, *bands):
        whole[top : top + len(band)] = band
        top += len(band)
    return whole


def _band(band: Any, mode: str, factor: int) -> npt.NDArray[Any]:
    from PIL import Image

    if mode == "F":
        values = np.nan_to_num(np.asarray(band, np.float32), posinf=0, neginf=0)
        band = Image.fromarray(values)
    return np.array(band.convert(mode).reduce(factor))
