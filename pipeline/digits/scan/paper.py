"""The paper under a digit in broad strokes: light that falls off slowly over the whole picture."""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.scan.shapes import Gray

Floats = npt.NDArray[np.float32]

GRID = 32
DEGREE = 3
ROUNDS = 8
WEIGHT_BELOW = 0.1
SMALLEST_NORM = 1e-2


def paper_of(picture: Gray) -> Gray:
    """Fit a smooth surface to the paper, by asymmetric least squares: what is darker than it counts little.

    ``picture``: (h, w) uint8, dark ink on light paper; so is the result. Strokes may be broad
    and touch the border. The surface is a cubic polynomial of the place (Eilers and Boelens, 2005, do so for spectra).
    """
    values = cv2.resize(picture, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    places = _places()
    weights = np.ones_like(values)
    ridge = SMALLEST_NORM * np.eye(places.shape[1], dtype=np.float32)
    surface = values
    for _ in range(ROUNDS):
        weighted = places * weights[:, np.newaxis]
        factors = np.linalg.solve(weighted.T @ places + ridge, weighted.T @ values)
        surface = places @ factors
        weights = np.where(values > surface, np.float32(1), np.float32(WEIGHT_BELOW))
    paper = np.clip(surface, 0, 255).reshape(GRID, GRID)
    return np.asarray(cv2.resize(paper, picture.shape[::-1]), np.uint8)


@cache
def _places() -> Floats:
    """Give the terms of the polynomial at each point of the grid: (GRID * GRID, terms) float32."""
    y, x = np.mgrid[-1 : 1 : GRID * 1j, -1 : 1 : GRID * 1j]
    terms = [x**i * y**j for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    return np.stack(terms, axis=-1).reshape(GRID * GRID, -1).astype(np.float32)
