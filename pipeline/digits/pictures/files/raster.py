"""Pictures in pixels, of every kind that Pillow decodes: page by page, and in bands of rows, so that memory is bounded."""

import math
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO

import cv2
import numpy as np
import numpy.typing as npt
from cv2.utils import logging

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.files import grey, tiff, whole
from pipeline.digits.pictures.files.limits import Decoded, DecodeError, Limits, PerhapsHalf, attempt, shrinking

# Pillow may use these decoders alone: a picture must not choose one that starts a program.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# Pillow may have been built without these: its name for each, and the first bytes of such files.
OPTIONAL = {
    "AVIF": ("avif", re.compile(rb".{4}ftyp(avi[fs]|mif1|msf1)", re.DOTALL)),
    "JPEG 2000": ("jpg_2000", re.compile(rb"\xff\x4f\xff\x51|.{4}jP  ", re.DOTALL)),
}
# Kinds whose pixels may be uncompressed, Pillow's words for that, and its number for rows from the bottom to the top.
BARE, RAW, UPWARDS = ("BMP", "PPM", "TIFF"), ("raw", 0, 3, 6, None), -1
MAY_END_IN_ZEROS = (*RAW, "packbits")
FIRST_BYTES = 12
DEEP = ("I", "I;16", "I;16B", "I;16L", "F")
BAND_PIXELS = 2**20
# Tags of EXIF and TIFF.
ORIENTATION, PHOTOMETRIC, ACROSS, DOWN = 274, 262, 282, 283
STRIPS, STRIPS_LENGTHS, TILES, TILES_LENGTHS = 273, 279, 324, 325
WHITE_IS_ZERO = 0
OF_BROKEN_EXIF = (SyntaxError, ValueError, TypeError, KeyError, struct.error)
# Pillow puts the density of pixels under these keys: for JPEG, PNG, TIFF, and for any kind.
DENSITIES = ("jfif_density", "aspect", "resolution", "dpi")
# Pillow's name for a layout of pixels that it would cut to 8 bits has this in it.
DEEP_COLOUR = ";16"
REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}


def pages(file: BinaryIO, limits: Limits) -> Iterator[Decoded]:
    """Decode every page of a TIFF file, or the first picture of any other file."""
    start = file.read(FIRST_BYTES)
    listed = tiff.list_pages(file, limits.maximum_pages) if tiff.is_tiff(start[:4]) else tiff.Pages([tiff.Page(0)], "")
    _require_decoder(start)
    picture = None
    for page in listed.pages:
        if page.has_unexplained:
            yield attempt(partial(_without_unexplained, file, page, limits))
        else:
            picture = picture or _opened(file)
            yield attempt(partial(_page, picture, file, page.number, limits))
    if listed.fault:
        yield DecodeError(f"broken image: {listed.fault}")


def _require_decoder(start: bytes) -> None:
    """Raise DecodeError where Pillow was built without what decodes a kind of file; keep it to one thread."""
    for name, (feature, signs) in OPTIONAL.items():
        if not signs.match(start):
            continue
        from PIL import AvifImagePlugin, features

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # pictures are decoded in as many processes as there are cores
        if not features.check(feature):
            raise DecodeError(f"{name}, which the Pillow that is installed cannot read: pip install --force-reinstall pillow")


def _opened(file: BinaryIO) -> Any:
    from PIL import Image, UnidentifiedImageError

    file.seek(0)
    try:
        with warnings.catch_warnings(action="ignore"):
            return Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise DecodeError("declares too many pixels") from None
    except UnidentifiedImageError:
        raise DecodeError("not an image that can be read") from None


def _page(picture: Any, file: BinaryIO, number: int, limits: Limits) -> Gray | PerhapsHalf:
    with warnings.catch_warnings(action="ignore"):
        picture.seek(number)
        limits.require(*picture.size)
        is_bare = picture.format in BARE and picture.info.get("compression") in RAW
        if picture.format == "TIFF" and picture.info.get("compression") not in MAY_END_IN_ZEROS:
            _require_strips(picture, file)
        if (factor := shrinking(*picture.size)) > 1:
            # These decoders can shrink while they read. JPEG's keeps more than all pixels of a progressive picture meanwhile.
            if picture.format == "JPEG2000":
                picture.reduce = int(math.log2(factor))
            less = factor * (2 if picture.info.get("progressive") else 1)
            picture.draft(None, tuple(side // less for side in picture.size))
        is_deep = DEEP_COLOUR in str(picture.tile) and picture.mode in ("RGB", "RGBA")
        is_bottom_up = picture.format == "BMP" and picture.tile[0].args[-1] == UPWARDS
        orientation, resolution = _placing(picture)
        pixels = _by_opencv(picture, file, number, factor, is_deep=is_deep)
        if pixels is not None:
            shades = grey.of_pixels(pixels, factor if len(pixels) == picture.height else 1)
        else:
            picture.load()
            shades = _grey(picture)
        is_half = is_bare and whole.is_perhaps_half(shades[::-1] if is_bottom_up else shades)
        upright = grey.turned(grey.squared(shades, *resolution), orientation)
        return PerhapsHalf(upright) if is_half else upright


def _require_strips(picture: Any, file: BinaryIO) -> None:
    """Raise DecodeError where a strip or a tile of a TIFF page ends in zeros, or is missing."""
    tags = picture.tag_v2
    places, lengths = (TILES, TILES_LENGTHS) if TILES in tags else (STRIPS, STRIPS_LENGTHS)
    for start, length in zip(tags.get(places, ()), tags.get(lengths, ()), strict=False):
        if whole.ends_in_zeros(file, start, start + length):
            raise DecodeError("broken image: cut short, its end is missing")


def _without_unexplained(file: BinaryIO, page: tiff.Page, limits: Limits) -> Gray:
    """Read a grey page, but not the unexplained sample of each pixel, because of which Pillow refuses the page."""
    limits.require(page.width, page.height)
    pixels = _decoded(file, cv2.IMREAD_GRAYSCALE, page.number)
    if pixels is None:
        raise DecodeError("not an image that can be read")
    return grey.of_pixels(pixels, shrinking(page.width, page.height))


def _by_opencv(picture: Any, file: BinaryIO, number: int, factor: int, *, is_deep: bool) -> npt.NDArray[Any] | None:
    """Read what Pillow would read with fewer bits, or in far more memory: RGB or RGBA, (h, w, 3 or 4)."""
    is_large_webp = picture.format == "WEBP" and factor > 1 and not picture.is_animated
    if not (is_deep and factor == 1) and not is_large_webp:
        return None
    how = REDUCED[factor] if is_large_webp and picture.mode == "RGB" else cv2.IMREAD_UNCHANGED
    pixels = _decoded(file, how, number if picture.format == "TIFF" else None)
    if pixels is None:
        return None
    if picture.format == "TIFF" and picture.mode == "RGB":
        pixels = pixels[..., :3]  # nothing explains the fourth sample
    code = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(pixels, code))


def _decoded(file: BinaryIO, how: int, page: int | None) -> npt.NDArray[Any] | None:
    """Let OpenCV decode a file, or a page of a TIFF, silently; its refusal becomes a reason."""
    file.seek(0)
    given = np.frombuffer(file.read(), np.uint8)
    loudness = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        if page is None:
            return cv2.imdecode(given, how | cv2.IMREAD_IGNORE_ORIENTATION)
        _, found = cv2.imdecodemulti(given, how, range=(page, page + 1))
        return found[0] if found else None
    finally:
        logging.setLogLevel(loudness)


def _placing(picture: Any) -> tuple[int, tuple[float, float]]:
    """Give a picture's orientation, 1 to 8, and how many of its pixels lie across and down in the same length.

    The orientation is reset, so that Pillow does not turn the picture too. An EXIF that cannot be read counts as none.
    """
    exif: dict[int, Any] = {}
    for tag in (ORIENTATION, ACROSS, DOWN):
        with suppress(*OF_BROKEN_EXIF):
            exif[tag] = picture.getexif().get(tag)
    with suppress(*OF_BROKEN_EXIF):
        picture.getexif()[ORIENTATION] = 1
    said = [*map(picture.info.get, DENSITIES), (exif.get(ACROSS), exif.get(DOWN))]
    orientation = exif.get(ORIENTATION)
    return orientation if isinstance(orientation, int) else 1, next(filter(None, map(_unequal, said)), (1.0, 1.0))


def _unequal(pair: Any) -> tuple[float, float] | None:
    """Give a pair of densities where both are positive and they differ."""
    try:
        across, down = map(float, pair)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < math.inf and 0 < down < math.inf and across != down else None


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
