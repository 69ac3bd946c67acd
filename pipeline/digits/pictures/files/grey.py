"""From colour, depth and transparency to grey in which ink stands out from paper."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.files.limits import WORKING_PIXELS
from pipeline.digits.pictures.scan.shapes import SQUARE

Pixels = npt.NDArray[np.uint8]
# Values of float32 or uint16.
Deep = npt.NDArray[Any]

HOT_PIXELS = 8
# About this many pixels tell the range of a larger picture.
SAMPLE = 2**22
# Channels are compared in a small picture: its side in pixels, the share of it that is around a line, and the number of pixels
# of which one is ink.
SMALL, AROUND, COVERED = 64, 0.25, 100
# A pen must stand out in a channel by this factor more than in luminance, and this far: channels are noisier than luminance.
CLEARLY, LEAST_CONTRAST = 1.5, 8
MIDDLE = 127
# The rim of a stroke is less opaque.
MOST_RIM = 64
# A smaller share of a drawing's area is no ink.
LEAST_INK = 0.01
# Pixels of one colour differ by no more than the first where there is no noise, a page's edge and its middle by no more than
# the second.
ONE_COLOUR, LIKE = 12, 48
# A page fills this share of its bounding box, that share of the picture, and is at least this wide for its height.
SOLID, LEAST_PAGE, NARROWEST_PAGE = 0.9, 0.2, 0.4
OPAQUE = 255
# The sides of a pixel may differ by these factors: fax machines and scanners have up to four fine steps in a coarse one.
LEAST_STRETCH, MOST_STRETCH = 1.02, 4.1
LEVELS = np.arange(OPAQUE + 1)
# Pixels along a side that tell a page from a drawing; rows that are laid on paper at a time.
ENOUGH, BAND = 1024, 256


def of_colour(rgb: Pixels) -> Gray:
    """Give the luminance of a picture, or the channel in which ink stands out far more, as yellow does in the blue one.

    ``rgb``: (h, w, 3) uint8.
    """
    height, width = rgb.shape[:2]
    step = max(1, min(max(height, width) // SMALL, height, width))
    whole = rgb[: height // step * step, : width // step * step]
    small = np.asarray(cv2.resize(whole, (width // step, height // step), interpolation=cv2.INTER_AREA), np.uint8)
    red, green, blue = cv2.split(small)
    if max(cv2.norm(red, green, cv2.NORM_INF), cv2.norm(green, blue, cv2.NORM_INF)) >= LEAST_CONTRAST / 2:
        contrasts = [_standing_out(channel) for channel in (red, green, blue)]
        best = int(np.argmax(contrasts))
        luminance = _standing_out(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        if contrasts[best] >= max(CLEARLY * luminance, LEAST_CONTRAST):
            return np.ascontiguousarray(rgb[..., best])
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def of_deep(values: Deep) -> Pixels:
    """Scale a picture of any depth to 0 to 255. A few hot or dead pixels do not count; NaN and infinity become 0.

    ``values``: (h, w), or (h, w, 3), whose channels keep their proportions; the array is changed.
    """
    values = np.nan_to_num(values, copy=False, posinf=0, neginf=0)
    some = values.ravel()[:: 1 + values.size // SAMPLE]
    extreme = min(HOT_PIXELS + some.size // 10_000, some.size // 20)
    ordered = np.partition(some, (extreme, some.size - 1 - extreme))
    darkest, lightest = ordered[extreme], ordered[some.size - 1 - extreme]
    if lightest <= darkest:
        darkest, lightest = values.min(), values.max()
    span = max(float(lightest) - float(darkest), float(np.finfo(np.float32).tiny))
    np.clip(values, darkest, lightest, out=values)
    values -= darkest
    return np.asarray(cv2.convertScaleAbs(values, alpha=OPAQUE / span), np.uint8)


def of_pixels(pixels: Pixels | Deep, factor: int = 1) -> Gray:
    """Give grey for a picture, (h, w), or (h, w, 1, 3 or 4) of RGB and opacity, shrunk by a factor."""
    if factor > 1:
        size = -(-pixels.shape[1] // factor), -(-pixels.shape[0] // factor)
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    planes = pixels.reshape(*pixels.shape[:2], -1)
    colours, opacity = np.ascontiguousarray(planes[..., :3]), planes[..., 3:]
    if colours.dtype == np.uint16:
        colours, opacity = of_deep(colours), (opacity // 257).astype(np.uint8)
    if colours.shape[2] == 1:
        return colours[..., 0].copy()  # a decoder may own the memory, and free it
    return of_transparent(np.dstack([colours, opacity])) if opacity.size else of_colour(colours)


def of_transparent(rgba: Pixels) -> Gray:
    """Lay a picture on paper that its ink stands out from. ``rgba``: (h, w, 4) uint8."""
    alpha = np.ascontiguousarray(rgba[..., 3])
    strongest = int(alpha.max())
    if not strongest:
        return alpha
    if alpha.min() == OPAQUE:
        return of_colour(np.ascontiguousarray(rgba[..., :3]))
    step = 1 + max(alpha.shape) // ENOUGH
    some = np.ascontiguousarray(rgba[::step, ::step])
    if (page := _page_colour(some[..., :3], some[..., 3])) is not None:
        # Its rim, which is mixed with whatever is not seen around it, is paper.
        return of_colour(_laid(rgba, cv2.erode(alpha, SQUARE[5]), page))
    # Faint ink is ink: on a ground that is drawn there is no noise.
    return of_colour(_laid(rgba, cv2.convertScaleAbs(alpha, alpha=OPAQUE / strongest), _ground_of_drawing(some)))


def squared(picture: Gray, across: float, down: float) -> Gray:
    """Make pixels square. ``across`` and ``down``: how many of them lie in the same length. The coarser side is enlarged.

    Where that gives too many pixels, the finer side is shrunk. A ratio that no device has is ignored.
    """
    ratio = across / down
    if not LEAST_STRETCH < max(ratio, 1 / ratio) <= MOST_STRETCH:
        return picture
    height, width = picture.shape
    larger = (width, round(height * ratio)) if ratio > 1 else (round(width / ratio), height)
    smaller = (round(width / ratio), height) if ratio > 1 else (width, round(height * ratio))
    if larger[0] * larger[1] <= WORKING_PIXELS:
        return np.asarray(cv2.resize(picture, larger, interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA), np.uint8)


def turned(picture: Gray, orientation: int) -> Gray:
    """Turn a picture upright as the number in its EXIF says, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        picture = picture.T
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _standing_out(plane: Gray) -> float:
    """Measure how far lines stand out from their surroundings, dark or light, 0 to 255."""
    size = int(AROUND * max(plane.shape)) | 1
    counts = np.bincount(cv2.absdiff(plane, cv2.blur(plane, (size, size))).ravel(), minlength=OPAQUE + 1)
    usual, strong = np.searchsorted(counts.cumsum(), [plane.size // 2, plane.size - plane.size // COVERED - 1])
    return float(counts[strong:] @ LEVELS[strong:] / counts[strong:].sum() - usual)


def _laid(rgba: Pixels, alpha: Gray, ground: Pixels) -> Pixels:
    """Lay a picture, as opaque as ``alpha`` says, on a ground of one colour, (3,) uint8. Gives (h, w, 3)."""
    laid = np.empty((*rgba.shape[:2], 3), np.uint8)
    for top in range(0, len(rgba), BAND):
        opacity = cv2.merge([alpha[top : top + BAND]] * 3)
        over = cv2.multiply(np.ascontiguousarray(rgba[top : top + BAND, :, :3]), opacity, scale=1 / OPAQUE)
        under = cv2.multiply(cv2.bitwise_not(opacity), np.full_like(over, ground), scale=1 / OPAQUE)
        laid[top : top + BAND] = cv2.add(over, under)
    return laid


def _page_colour(rgb: Pixels, alpha: Gray) -> Pixels | None:
    """Give the colour of a page that has transparent surroundings; None for a drawing on a transparent ground.

    A page is a solid piece with ink on it, and its edge has the colour that most of it has. Strokes have one colour, or leave
    much of the box around them free.
    """
    mask = np.asarray(cv2.threshold(np.ascontiguousarray(alpha), MIDDLE, 1, cv2.THRESH_BINARY)[1], np.uint8)
    points = cv2.findNonZero(mask)
    if points is None:
        return None
    sides, around = cv2.minAreaRect(points)[1], cv2.contourArea(cv2.convexHull(points))
    if len(points) < max(SOLID * around, LEAST_PAGE * mask.size) or min(sides) < NARROWEST_PAGE * max(sides):
        return None
    inner, innermost = (cv2.erode(mask, SQUARE[size], borderType=cv2.BORDER_CONSTANT, borderValue=0) for size in (3, 7))
    low, usual, high = np.quantile(rgb[mask > 0], (LEAST_INK, 0.5, 1 - LEAST_INK), axis=0)
    colour = np.median(rgb[(inner if inner.any() else mask) > innermost], axis=0)
    is_page = np.abs(colour - usual).max() <= LIKE and (high - low).max() > ONE_COLOUR
    return colour.astype(np.uint8) if is_page else None


def _ground_of_drawing(rgba: Pixels) -> Pixels:
    """Give white under dark ink, black under light.

    A drawing with both dark and light in it is in dark ink, and the light is an eraser's. Only the rim of a light stroke,
    through which most of the ground shows, may be dark too.
    """
    alpha = rgba[..., 3]
    colours = np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2GRAY), np.uint8)[alpha > min(MOST_RIM, int(alpha.max()) // 2)]
    is_dark = np.count_nonzero(colours <= MIDDLE) > LEAST_INK * len(colours)
    return np.full(3, OPAQUE if is_dark else 0, np.uint8)
