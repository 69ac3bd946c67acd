"""The 28x28 field that the network reads: size, place and stroke of a glyph as MNIST's are."""

import cv2
import numpy as np

from pipeline.digits.scan.shapes import SQUARE, Gray, stroke_width

FIELD = 28
BOX = 20
MIDDLE = (FIELD - 1) / 2
USUAL = 2.2
FULL_INK = 50
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def is_mnist_like(picture: Gray) -> bool:
    """Tell whether a picture, (h, w) uint8, is light ink on black in a 20x20 box, its centre of mass in the middle."""
    _, _, width, height = cv2.boundingRect(picture)
    if picture.shape != (FIELD, FIELD) or not BOX - 1 <= max(width, height) <= BOX:
        return False
    row, column = centre_of_mass(picture)
    return max(abs(row - MIDDLE), abs(column - MIDDLE)) <= 1


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


def draw(ink: Gray, mask: Gray) -> Gray | None:
    """Draw the ink in the mask, of any size, into a field; None where nothing of it is left.

    ``ink``: (h, w) uint8; ``mask``: (h, w) uint8, 0 and 1. Gives (28, 28) uint8. Faint ink becomes full ink, and strokes so
    thin that they would vanish are broadened.
    """
    left, top, width, height = cv2.boundingRect(mask)
    window = np.s_[max(0, top - 1) : top + height + 1, max(0, left - 1) : left + width + 1]
    glyph = cv2.multiply(ink[window], cv2.dilate(mask[window], SQUARE[3]))
    glyph = cv2.convertScaleAbs(glyph, alpha=255 / max(cv2.mean(glyph, mask[window])[0], 1))
    left, top, width, height = cv2.boundingRect(cv2.threshold(glyph, FULL_INK, 1, cv2.THRESH_BINARY)[1])
    if not width:
        return None
    return centre_on_mass(_as_broad_as_usual(fit_to_box(glyph[top : top + height, left : left + width])))


def _as_broad_as_usual(glyph: Gray) -> Gray:
    """Broaden thin strokes of a glyph in the box; MNIST's are 2.35 pixels broad at the median, 1.7 at the 10th percentile."""
    missing = min((USUAL - stroke_width(glyph)) / 2, 1.0)
    if missing <= 0:
        return glyph
    framed = cv2.copyMakeBorder(glyph, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    broader = np.asarray(cv2.addWeighted(framed, 1 - missing, cv2.dilate(framed, CROSS), missing, 0), np.uint8)
    return fit_to_box(broader) if missing > 0.35 else broader[1:-1, 1:-1]
