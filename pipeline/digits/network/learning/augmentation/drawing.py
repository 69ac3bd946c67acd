"""Strokes of a pen, and the drawing set into the field as the normaliser does it."""

import cv2
import numpy as np

from pipeline.digits.arrays import Doubles, Gray
from pipeline.digits.field import FIELD, centre_on_mass, fit_to_box

INK = 40
KNOTS = np.linspace(0, 1, 7)[:, np.newaxis]
FRACTION_BITS = 4


def stroke(canvas: Gray, start: Doubles, end: Doubles, *, bend: float, ink: int, thickness: int) -> None:
    """Draw a stroke from one point to another, (x, y) in pixels, onto a canvas.

    ``bend``: how far the control point of the curve, a parabola, lies beside the middle, as a share of the length.
    """
    control = (start + end) / 2 + bend * np.array([start[1] - end[1], end[0] - start[0]])
    curve = (1 - KNOTS) ** 2 * start + 2 * KNOTS * (1 - KNOTS) * control + KNOTS**2 * end
    points = np.round(curve * 2**FRACTION_BITS).astype(np.int32)
    cv2.polylines(canvas, [points], False, ink, thickness, cv2.LINE_AA, FRACTION_BITS)


def into_field(drawing: Gray) -> Gray:
    """Scale a drawing of any size, light on black, to the 20x20 box and centre it in a 28x28 field, as MNIST's are."""
    left, top, width, height = cv2.boundingRect((drawing > INK).astype(np.uint8))
    if not width:
        return np.zeros((FIELD, FIELD), np.uint8)
    return centre_on_mass(fit_to_box(drawing[top : top + height, left : left + width]))
