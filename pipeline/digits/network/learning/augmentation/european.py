"""Ones with an upstroke and sevens with a crossbar, as most of the world writes them and MNIST's writers did not."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Doubles, Gray, Images, Labels
from pipeline.digits.network.learning.augmentation.drawing import into_field, stroke
from pipeline.params.recipes import European

Random = np.random.Generator

MARGIN = 12
INKED = 100
SHORTEST = 8
BROADEST_RUN = 6
BROADEST_STEM = 5
SMALLEST_ANGLE = 0.3


@dataclass(frozen=True)
class _Digit:
    """A digit on a wider canvas; ``is_inked`` where it has ink, from row ``top`` to row ``bottom``."""

    canvas: Gray
    is_inked: npt.NDArray[np.bool_]
    top: int
    bottom: int

    @property
    def height(self) -> int:
        return self.bottom - self.top + 1

    @property
    def breadth(self) -> float:
        """How many pixels of ink a row has, on average."""
        return float(self.is_inked.sum() / self.height)


def european(images: Images, labels: Labels, random: Random, shares: European) -> Images:
    """Draw an upstroke onto some of the ones and a crossbar onto some of the sevens.

    ``images``: (N, 28, 28) uint8; so is the result. ``labels``: (N,) uint8. A digit that has such a stroke already, or is no
    plain one, stays as it is.
    """
    drawn = images.copy()
    chance = random.random(len(labels))
    for label, share, add in ((1, shares.upstroke_share, with_upstroke), (7, shares.crossbar_share, with_crossbar)):
        for index in np.flatnonzero((labels == label) & (chance < share)):
            drawn[index] = add(images[index], random)
    return drawn


def with_upstroke(one: Gray, random: Random) -> Gray:
    """Give a bare 1, (28, 28) uint8, the stroke up to its tip, sometimes a foot, and another slant."""
    digit = _on_canvas(one)
    if not digit or digit.is_inked[digit.top : digit.bottom].sum(axis=1).max() > BROADEST_RUN or digit.breadth > BROADEST_STEM:
        return one
    tip, foot = _middle_of_rows(digit, digit.top), _middle_of_rows(digit, digit.bottom - 1)
    stem = foot - tip
    lean = -np.tan(random.uniform(-0.12, 0.35)) - stem[0] / stem[1]
    middle = (tip[1] + foot[1]) / 2
    slanting = np.array([[1, lean, -lean * middle], [0, 1, 0]], np.float32)
    canvas = np.asarray(cv2.warpAffine(digit.canvas, slanting, digit.canvas.shape[::-1]), np.uint8)
    tip, foot = (end + np.array([lean * (end[1] - middle), 0]) for end in (tip, foot))
    stem, angle = foot - tip, random.uniform(0.42, 1.08)
    if np.arctan2(stem[1], -stem[0]) - angle < SMALLEST_ANGLE:
        return one
    ink, thickness = int(random.integers(190, 256)), _thickness(digit, random)
    start = tip + np.array([-np.cos(angle), np.sin(angle)]) * np.hypot(*stem) * random.uniform(0.3, 0.9)
    stroke(canvas, tip, start, bend=random.normal(0, 0.12), ink=ink, thickness=thickness)
    if random.random() < 0.2:
        half = random.uniform(3, 7) * np.array([1, random.uniform(-0.25, 0.25)])
        stroke(canvas, foot - half, foot + half, bend=0, ink=ink, thickness=thickness)
    return into_field(canvas)


def with_crossbar(seven: Gray, random: Random) -> Gray:
    """Give a 7, (28, 28) uint8, a bar through its stem."""
    digit = _on_canvas(seven)
    if not digit:
        return seven
    row = digit.top + int(digit.height * (random.uniform(0.42, 0.65) if random.random() < 0.8 else random.uniform(0.65, 0.85)))
    stem = np.flatnonzero(digit.is_inked[row])
    if not len(stem) or np.ptp(stem) > BROADEST_RUN:
        return seven
    crossing = np.array([stem.mean(), float(row)])
    half = random.uniform(3, 6) * np.array([1, random.uniform(-0.35, 0.25)])
    thickness = min(max(_thickness(digit, random) - 1, 1), 2)
    end = crossing + half * np.array([random.uniform(0.6, 1), 1])
    ink = int(random.integers(190, 256))
    stroke(digit.canvas, crossing - half, end, bend=random.normal(0, 0.05), ink=ink, thickness=thickness)
    return into_field(digit.canvas)


def _on_canvas(image: Gray) -> _Digit | None:
    """Set a digit on a wider canvas; None where it is too low for another stroke."""
    canvas = np.pad(image, MARGIN)
    is_inked = canvas > INKED
    rows = np.flatnonzero(is_inked.any(axis=1))
    return _Digit(canvas, is_inked, int(rows[0]), int(rows[-1])) if len(rows) >= SHORTEST else None


def _middle_of_rows(digit: _Digit, row: int) -> Doubles:
    """Give the middle, (x, y), of the ink in a row and the one below it."""
    return np.array([np.flatnonzero(digit.is_inked[row : row + 2].any(axis=0)).mean(), row + 0.5])


def _thickness(digit: _Digit, random: Random) -> int:
    return int(np.clip(round(digit.breadth * random.uniform(0.6, 1.1)), 1, 4))
