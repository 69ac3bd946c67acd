"""From colour, depth and transparency to grey in which ink stands out from paper."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.scan.shapes import SQUARE, Gray, shrink

Pixels = npt.NDArray[np.uint8]
# Of float32 or uint16.
Deep = npt.NDArray[Any]

HOT_PIXELS = 8
# Of a picture of many pixels, about so many tell its range.
SAMPLE = 2**22
# Of the picture in which channels are compared, in pixels; a pen is narrower than so much of it, and covers as much.
SMALL = 112
PEN = 0.16
COVERED = 100
# How much more than in luminance a pen must stand out in a channel.
CLEARLY = 1.5
DARKEST_PAPER = 24
MIDDLE = 127
# The rim of a stroke is less opaque.
MOST_RIM = 64
# Less of what a drawing covers is no ink.
LEAST_INK = 0.01
# By how much pixels of one colour differ where there is no noise, and those of a page's edge and most of it at most.
ONE_COLOUR, LIKE = 12, 48
# Of a page: of what is around it, how much of that it fills, of the picture, width over height.
SOLID, LEAST_PAGE, NARROWEST_PAGE = 0.9, 0.2, 0.4
OPAQUE = 255
# Pixels along a side that tell a page from a drawing; rows that are laid on paper at a time.
ENOUGH, BAND = 1024, 256


def of_colour(rgb: Pixels) -> Gray:
    """Give the luminance of a picture, or the channel in which ink stands out far more, as yellow does in the blue one.

    ``rgb``: (h, w, 3) uint8.
    """
    luminance = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    channels = [shrink(np.ascontiguousarray(rgb[..., number]), SMALL) for number in range(3)]
    if np.array_equal(channels[0], channels[1]) and np.array_equal(channels[1], channels[2]):
        return luminance
    gains = [_standing_out(channel) for channel in channels]
    best = int(np.argmax(gains))
    if gains[best] < CLEARLY * _standing_out(shrink(luminance, SMALL)):
        return luminance
    return np.ascontiguousarray(rgb[..., best])


def of_deep(values: Deep) -> Pixels:
    """Bring a picture of any depth to 0 to 255, whatever a few hot or dead pixels say; numbers that are none become 0.

    ``values``: (h, w), or (h, w, 3), whose channels keep their proportions; they change.
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
        return colours[..., 0]
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
        return of_colour(_laid(rgba, page, strongest=OPAQUE))
    # Faint ink is ink: on a ground that is drawn there is no noise.
    return of_colour(_laid(rgba, _ground_of_drawing(some), strongest=strongest))


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
    """Measure how far lines, dark or light, stand out of the rest: what covers most, in share of the light, 0 to 255."""
    kernel = np.ones((int(PEN * max(plane.shape)) | 1,) * 2, np.uint8)
    closed, opened = (cv2.morphologyEx(plane, how, kernel) for how in (cv2.MORPH_CLOSE, cv2.MORPH_OPEN))
    dark = cv2.divide(cv2.subtract(closed, plane), cv2.max(closed, DARKEST_PAPER), scale=OPAQUE)
    return max(_contrast(hat) for hat in (dark, cv2.subtract(plane, opened)))


def _contrast(hat: Gray) -> float:
    ordered = np.sort(hat, axis=None)
    return float(ordered[-max(1, len(ordered) // COVERED) :].mean()) - float(ordered[len(ordered) // 2])


def _laid(rgba: Pixels, ground: Pixels, *, strongest: int) -> Pixels:
    """Lay a picture on a ground of one colour, (3,) uint8, its ``strongest`` pixels as if they were opaque: (h, w, 3)."""
    laid = np.empty((*rgba.shape[:2], 3), np.uint8)
    for top in range(0, len(rgba), BAND):
        band = rgba[top : top + BAND]
        opacity = cv2.merge([cv2.convertScaleAbs(np.ascontiguousarray(band[..., 3]), alpha=OPAQUE / strongest)] * 3)
        over = cv2.multiply(np.ascontiguousarray(band[..., :3]), opacity, scale=1 / OPAQUE)
        under = cv2.multiply(cv2.bitwise_not(opacity), np.full_like(over, ground), scale=1 / OPAQUE)
        laid[top : top + BAND] = cv2.add(over, under)
    return laid


def _page_colour(rgb: Pixels, alpha: Gray) -> Pixels | None:
    """Give the colour of a page that what is transparent lies around; None where it lies under a drawing.

    A page is a solid piece with ink on it, of the colour that most of it has along its edge too. Strokes are of one colour, or
    leave free much of what is around them.
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

    A drawing that has dark and light in it is in dark ink, the light is an eraser's; but the rim of a light stroke, which lets
    most of the ground through, may be dark.
    """
    alpha = rgba[..., 3]
    colours = np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2GRAY), np.uint8)[alpha > min(MOST_RIM, int(alpha.max()) // 2)]
    is_dark = np.count_nonzero(colours <= MIDDLE) > LEAST_INK * len(colours)
    return np.full(3, OPAQUE if is_dark else 0, np.uint8)
