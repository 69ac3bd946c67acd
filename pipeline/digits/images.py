"""From the bytes of any picture to what the network was trained on: 28x28, light ink on black, centred on its mass."""

import io
import warnings
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]

FIELD = 28
BOX = 20
WORKING_SIZE = 160
# No others: a picture must not choose its decoder, least of all one that starts a program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


class DecodeError(Exception):
    """The bytes are not a picture that can be scored; the message is the reason, for a person."""


@dataclass(frozen=True)
class Glyph:
    """A normalised picture: ``field`` is (28, 28) uint8, 0 for paper and 255 for ink; blank when no ink was found."""

    field: Gray
    is_blank: bool


def decode(content: bytes, *, maximum_pixels: int) -> Gray:
    """Decode an image file to (h, w) uint8 grey, dark and light as they are; transparent parts become paper.

    Raises DecodeError with the reason for anything that is not a whole picture of at most ``maximum_pixels``.
    """
    from PIL import Image

    if not content:
        raise DecodeError("empty file")
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > maximum_pixels:
                raise DecodeError(f"{width}x{height} pixels, more than {maximum_pixels}")
            picture.load()
            return _grey(picture)
    except DecodeError:
        raise
    except Image.DecompressionBombError:
        raise DecodeError("declares too many pixels") from None
    except Exception as error:  # whatever a decoder raises on broken bytes is this picture's reason
        raise DecodeError(_reason(error)) from error


def normalise(picture: Gray) -> Glyph:
    """Turn a picture of one digit into a 28x28 field as MNIST's are: ink in a 20x20 box, centre of mass in the middle.

    ``picture``: (h, w) uint8, dark on light or light on dark. What is made like MNIST already passes unchanged. The size
    and the centring follow LeCun et al., 1998, section III.A; the threshold is Otsu's, 1979.
    """
    if _is_normalised(picture):
        return Glyph(picture, is_blank=False)
    ink = _ink(_shrink(picture))
    strokes = _strokes(ink)
    if not strokes.any():
        return Glyph(np.zeros((FIELD, FIELD), np.uint8), is_blank=True)
    ink = np.where(cv2.dilate(strokes, np.ones((3, 3), np.uint8)) > 0, ink, 0).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(strokes)
    glyph = fit_to_box(ink[top : top + height, left : left + width])
    glyph = np.clip(glyph * (255.0 / max(1, glyph.max())), 0, 255).astype(np.uint8)
    return Glyph(centre_on_mass(glyph), is_blank=False)


def fit_to_box(ink: Gray) -> Gray:
    """Scale a glyph, keeping its proportions, so that its longer side is 20 pixels. ``ink``: (h, w) uint8."""
    height, width = ink.shape
    scale = BOX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), np.uint8)


def centre_on_mass(ink: Gray) -> Gray:
    """Place a glyph in a 28x28 field so that its centre of mass is the middle, as far as it fits.

    ``ink``: (h, w) uint8, light on black, h and w at most 28.
    """
    height, width = ink.shape
    row, column = _centre_of_mass(ink)
    top = int(np.clip(round((FIELD - 1) / 2 - row), 0, FIELD - height))
    left = int(np.clip(round((FIELD - 1) / 2 - column), 0, FIELD - width))
    field = np.zeros((FIELD, FIELD), np.uint8)
    field[top : top + height, left : left + width] = ink
    return field


def _grey(picture: Any) -> Gray:
    from PIL import Image

    if picture.mode in ("I", "I;16", "I;16B", "F"):
        deep = np.nan_to_num(np.asarray(picture, np.float64), posinf=0, neginf=0)
        span = deep.max() - deep.min()
        return np.asarray((deep - deep.min()) * (255.0 / span if span else 0), np.uint8)
    if picture.mode not in ("LA", "PA", "RGBA", "La", "RGBa") and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"))
    rgba = picture.convert("RGBA")
    opaque = np.asarray(rgba.getchannel("A")) > 127
    grey = np.asarray(rgba.convert("L"))
    light_ink = bool(opaque.any()) and float(np.median(grey[opaque])) > 127
    paper = Image.new("RGBA", rgba.size, (0, 0, 0, 255) if light_ink else (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(paper, rgba).convert("L"))


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not an image that can be read"
    return f"broken image: {' '.join(str(error).split())[:120] or type(error).__name__}"


def _is_normalised(picture: Gray) -> bool:
    if picture.shape != (FIELD, FIELD) or np.median(_border(picture)) > 0:
        return False
    _, _, width, height = cv2.boundingRect(picture)
    if not BOX - 1 <= max(width, height) <= BOX:
        return False
    row, column = _centre_of_mass(picture)
    return max(abs(row - FIELD / 2 + 0.5), abs(column - FIELD / 2 + 0.5)) <= 1.0


def _shrink(picture: Gray) -> Gray:
    scale = WORKING_SIZE / max(picture.shape)
    if scale >= 1:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _ink(picture: Gray) -> Gray:
    """Measure how far each pixel stands from the paper, which is what most of the border shows."""
    paper = float(np.median(_border(picture)))
    return np.asarray(np.clip(paper - picture if paper > 127 else picture - paper, 0, 255), np.uint8)


def _strokes(ink: Gray) -> Gray:
    """Find the pixels of the digit, as 0 and 1: above Otsu's threshold, and in a part of some size."""
    if ink.max() < 16:
        return np.zeros_like(ink)
    _, mask = cv2.threshold(ink, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    areas = statistics[1:count, cv2.CC_STAT_AREA]
    kept = 1 + np.flatnonzero(areas >= 0.1 * areas.max(initial=1))
    return np.isin(parts, kept).astype(np.uint8)


def _border(picture: Gray) -> Gray:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _centre_of_mass(ink: Gray) -> tuple[float, float]:
    moments = cv2.moments(ink)
    mass = moments["m00"] or 1.0
    return moments["m01"] / mass, moments["m10"] / mass
