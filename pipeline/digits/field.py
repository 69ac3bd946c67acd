"""The 28x28 field that the network reads: its size, and how MNIST's digits lie in it."""

import cv2
import numpy as np

from pipeline.digits.arrays import Gray

FIELD = 28
BOX = 20
MIDDLE = (FIELD - 1) / 2


def fit_to_box(ink: Gray) -> Gray:
    """Scale a glyph, keeping its proportions, so that its longer side is 20 pixels. ``ink``: (h, w) uint8."""
    height, width = ink.shape
    scale = BOX / max(height, width)
    if scale == 1:
        return ink
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), np.uint8)


def centre_on_mass(ink: Gray) -> Gray:
    """Place a glyph in a 28x28 field so that its centre of mass is the middle, as far as it fits (LeCun et al., 1998, III.A).

    ``ink``: (h, w) uint8, light on black, h and w at most 28.
    """
    height, width = ink.shape
    row, column = centre_of_mass(ink)
    top, left = min(max(round(MIDDLE - row), 0), FIELD - height), min(max(round(MIDDLE - column), 0), FIELD - width)
    field = np.zeros((FIELD, FIELD), np.uint8)
    field[top : top + height, left : left + width] = ink
    return field


def centre_of_mass(ink: Gray) -> tuple[float, float]:
    """Give the row and the column of the ink's centre of mass, in pixels from the first."""
    moments = cv2.moments(ink)
    mass = moments["m00"] or 1.0
    return moments["m01"] / mass, moments["m10"] / mass
