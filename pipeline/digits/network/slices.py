"""Slices of a test set: what pens, scanners and cameras do to digits, one thing at a time, so that a weakness has a name."""

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Gray
from pipeline.digits.field import FIELD, MIDDLE

Random = np.random.Generator
# From a digit, (28, 28) uint8, light on black, to the bytes of a file as a scanner would give it.
Slice = Callable[[Gray, Random], bytes]

SHIFT = 4
DEGREES = 15
TIMES = 4
BLUR = 1.0
NOISE = 25.0
FAINT = 0.3
JPEG_SIDE, JPEG_QUALITY = 100, 75
MAXIMUM_PIXELS = 10**6
# A user's own scans, which nothing has to be done to.
OWN = "own scans"
SQUARE = np.ones((3, 3), np.uint8)
# The margin of the page around an enlarged digit, in pixels; the share of the light that is lost across the page.
MARGIN, FALL_OFF = 24, 0.4
LINE, LINE_INK = 2, 0.5


def plain(digit: Gray, _: Random) -> bytes:
    """Scan it as it is: dark on white, in a PNG file."""
    return _png(255 - digit)


def _shifted(digit: Gray, random: Random) -> bytes:
    """Shift it in one of eight directions; what leaves the field is lost."""
    down, across = SIDES[random.integers(len(SIDES))]
    framed = np.pad(digit, SHIFT)
    top, left = SHIFT * (1 - down), SHIFT * (1 - across)
    return plain(framed[top : top + FIELD, left : left + FIELD], random)


def _rotated(digit: Gray, random: Random, *, degrees: float) -> bytes:
    turn = cv2.getRotationMatrix2D((MIDDLE, MIDDLE), degrees, 1)
    return plain(np.asarray(cv2.warpAffine(digit, turn, digit.shape[::-1]), np.uint8), random)


def _on_paper(digit: Gray, random: Random) -> bytes:
    """Write it on a page in uneven light, with a ruled line under it or through its foot."""
    ink = np.pad(_enlarged(digit, FIELD * TIMES), MARGIN) / 255
    side = len(ink)
    row = int(side * random.uniform(0.6, 0.9))
    ink[row : row + LINE] = np.maximum(ink[row : row + LINE], LINE_INK)
    angle = random.uniform(0, 2 * np.pi)
    along = np.linspace(-0.5, 0.5, side)
    slope = np.add.outer(along * np.sin(angle), along * np.cos(angle)) / (abs(np.sin(angle)) + abs(np.cos(angle)))
    return _png(230 * (1 - FALL_OFF * (slope + 0.5)) * (1 - 0.8 * ink))


SIDES = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if down or across]
SLICES: dict[str, Slice] = {
    "plain": plain,
    "shifted": _shifted,
    "rotated_left": partial(_rotated, degrees=DEGREES),
    "rotated_right": partial(_rotated, degrees=-DEGREES),
    "thinner": lambda digit, _: _png(255 - cv2.erode(_enlarged(digit, FIELD * TIMES), SQUARE)),
    "thicker": lambda digit, _: _png(255 - cv2.dilate(_enlarged(digit, FIELD * TIMES), SQUARE)),
    "blurred": lambda digit, _: _png(255 - cv2.GaussianBlur(digit, (0, 0), BLUR)),
    "noisy": lambda digit, random: _png(255.0 - digit + random.normal(0, NOISE, digit.shape)),
    "inverted": lambda digit, _: _png(digit),
    "faint": lambda digit, _: _png(255 - FAINT * digit),
    "jpeg": lambda digit, _: _encoded(".jpg", 255 - _enlarged(digit, JPEG_SIDE), cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY),
    "paper": _on_paper,
}


def _enlarged(digit: Gray, side: int) -> Gray:
    return np.asarray(cv2.resize(digit, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def _png(picture: npt.NDArray[Any]) -> bytes:
    return _encoded(".png", picture)


def _encoded(kind: str, picture: npt.NDArray[Any], *options: int) -> bytes:
    shades = np.clip(np.round(picture), 0, 255).astype(np.uint8)
    return cv2.imencode(kind, shades, options)[1].tobytes()
