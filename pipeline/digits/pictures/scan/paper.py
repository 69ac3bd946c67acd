"""The paper under a digit in broad strokes: light that falls off slowly over the whole picture."""

from functools import cache

import cv2
import numpy as np

from pipeline.digits.arrays import Floats, Gray

GRID = 16
DEGREE = 3
MOST_ROUNDS = 8
WEIGHT_BELOW = np.float32(0.1)
SMALLEST_NORM = 1e-2


def paper_of(picture: Gray) -> Gray:
    """Fit a smooth surface to the paper, by asymmetric least squares: pixels darker than the surface count little.

    ``picture``: (h, w) uint8, dark ink on light paper; so is the result. Strokes may be broad and touch the border.
    The surface is a cubic polynomial of the place (Eilers and Boelens, 2005, do so for spectra).
    """
    values = cv2.resize(picture, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    terms, ridge = _terms()
    is_above = np.ones(len(values), bool)
    for _ in range(MOST_ROUNDS):
        weighted = terms * np.maximum(is_above, WEIGHT_BELOW)
        surface = np.linalg.solve(weighted @ terms.T + ridge, weighted @ values) @ terms
        was_above, is_above = is_above, values > surface
        if (is_above == was_above).all():
            break
    paper = np.clip(surface, 0, 255).reshape(GRID, GRID)
    return np.asarray(cv2.resize(paper, picture.shape[::-1]), np.uint8)


@cache
def _terms() -> tuple[Floats, Floats]:
    """Give the terms of the polynomial at each point of the grid, (terms, GRID * GRID), and the penalty on their factors."""
    y, x = np.mgrid[-1 : 1 : GRID * 1j, -1 : 1 : GRID * 1j]
    terms = np.stack([x**i * y**j for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)], dtype=np.float32)
    return terms.reshape(len(terms), -1), SMALLEST_NORM * np.eye(len(terms), dtype=np.float32)
