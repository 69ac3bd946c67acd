"""Pictures that are no digit, for the network to learn to be unsure of (Hendrycks et al., 2019, outlier exposure)."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Gray, Images, Labels
from pipeline.digits.field import FIELD
from pipeline.digits.network.learning.augmentation import marks
from pipeline.digits.network.learning.augmentation.drawing import into_field, stroke

Random = np.random.Generator

CANVAS = 56
GRID = 12 + 16.0 * np.array([[column, row] for column in range(3) for row in range(3)])
SHORTEST = 14
# Strokes, pairs, turned digits, blots, signs, question marks, framed and stamped digits, filled boxes, faces, scribbles, hairs.
SHARES = (0.20, 0.16, 0.15, 0.05, 0.18, 0.04, 0.06, 0.04, 0.03, 0.02, 0.02, 0.05)
STACKED = 0.4
# A digit, quarter turns, and the axis of a mirror, which together give no digit. A turned 0, 6 or 8 would be a digit, and so
# would half a turn of a 4, as in "h".
TURNS = (
    *((3, 1, None), (3, 3, None), (3, 0, 1), (2, 1, None), (2, 3, None), (4, 0, 0)),
    *((4, 1, None), (7, 0, 0), (5, 1, None), (5, 3, None), (7, 1, None), (9, 1, None)),
)


def outliers(images: Images, labels: Labels, count: int, random: Random) -> Images:
    """Draw pictures that are no digit, or not one alone: strokes, signs, pairs of digits, digits turned or in a ring, blots.

    ``images``: (N, 28, 28) uint8 and ``labels``: (N,), the digits to draw from, some of each. Returns (count, 28, 28) uint8.
    """
    of_digit = {digit: np.flatnonzero(labels == digit) for digit in range(10)}
    kinds: tuple[Callable[[], Gray], ...] = (
        lambda: _strokes(random),
        lambda: _pair(images, random),
        lambda: _turned(images, of_digit, random),
        lambda: _blot(random),
        lambda: marks.sign(random),
        lambda: marks.question_mark(images[random.choice(of_digit[7])], random),
        lambda: marks.framed(images[random.integers(len(images))], random),
        lambda: marks.stamped(images[random.integers(len(images))], random),
        lambda: marks.filled(random),
        lambda: marks.face(random),
        lambda: marks.scribble(random),
        lambda: marks.hair(random),
    )
    drawn = np.zeros((count, FIELD, FIELD), np.uint8)
    for index, kind in enumerate(random.choice(len(kinds), count, p=SHARES)):
        drawn[index] = into_field(kinds[kind]())
    return drawn


def _strokes(random: Random) -> Gray:
    """Join points of a three by three grid, one after the other or in pairs."""
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    thickness, is_chain = int(random.integers(3, 8)), random.random() < 0.5
    knots = GRID + random.normal(0, 2.5, GRID.shape)
    order = random.permutation(len(knots))
    for step in range(random.integers(3, 6)):
        start, end = knots[order[step : step + 2] if is_chain else random.choice(len(knots), 2, replace=False)]
        if np.hypot(*(start - end)) >= SHORTEST:
            bend = random.normal(0, 0.12) if random.random() < 0.4 else 0
            stroke(canvas, start, end, bend=bend, ink=255, thickness=thickness)
    return canvas


def _pair(images: Images, random: Random) -> Gray:
    """Set two digits side by side, at times into each other, or one above the other."""
    chosen = images[random.integers(0, len(images), 2)]
    is_stacked = random.random() < STACKED
    if is_stacked:
        chosen = chosen.transpose(0, 2, 1)
    left, right = (image[:, np.flatnonzero(image.max(axis=0) > 60)] for image in chosen)
    canvas = np.zeros((FIELD + 6, 2 * FIELD + 8), np.uint8)
    first, second = random.integers(0, 6, 2)
    canvas[first : first + FIELD, 2 : 2 + left.shape[1]] = left
    start = 2 + left.shape[1] + int(random.integers(-2, 5))
    place = canvas[second : second + FIELD, start : start + right.shape[1]]
    np.maximum(place, right[:, : place.shape[1]], out=place)
    return np.ascontiguousarray(canvas.T) if is_stacked else canvas


def _turned(images: Images, of_digit: dict[int, npt.NDArray[np.intp]], random: Random) -> Gray:
    digit, quarters, axis = TURNS[random.integers(len(TURNS))]
    turned = np.rot90(images[random.choice(of_digit[digit])], quarters)
    return np.ascontiguousarray(turned if axis is None else np.flip(turned, axis))


def _blot(random: Random) -> Gray:
    clouds = cv2.GaussianBlur(random.standard_normal((FIELD, FIELD)), (0, 0), random.uniform(0.5, 3))
    above = clouds - np.quantile(clouds, random.uniform(0.5, 0.9))
    return np.asarray(np.clip(above / clouds.std() * random.uniform(150, 600), 0, 255), np.uint8)
