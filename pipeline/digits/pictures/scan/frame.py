"""Strips along the border that are no paper: the lid of a scanner, the desk, the printed box of a form."""

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.scan.shapes import shrink

LONGEST = 160
SMALLEST = 40
BROADEST = 0.15
NARROWEST_REST = 0.5
STEP = 24
ALONG = 0.9


def without_frame(picture: Gray) -> Gray:
    """Cut off the strips along the border that end in a straight, sharp step; the same object where there is none.

    ``picture``: (h, w) uint8. A cut-out that is narrow, as that of a 1 is, stays whole: its stroke may end like a strip.
    """
    small = shrink(picture, LONGEST)
    if min(small.shape) < SMALLEST:
        return picture
    top, bottom = _strips(small)
    left, right = _strips(small.T)
    if not (top or bottom or left or right):
        return picture
    height, width = small.shape[0] - top - bottom, small.shape[1] - left - right
    if min(height, width) < NARROWEST_REST * max(height, width):
        return picture
    scale = max(picture.shape) / max(small.shape)
    rows = slice(round(top * scale), picture.shape[0] - round(bottom * scale))
    columns = slice(round(left * scale), picture.shape[1] - round(right * scale))
    return np.ascontiguousarray(picture[rows, columns])


def _strips(picture: Gray) -> tuple[int, int]:
    """Give the breadth of the strips along the first and along the last row, 0 where there is none."""
    size = int(BROADEST * len(picture)) + 2
    return _strip(picture[:size]), _strip(picture[-size:][::-1])


def _strip(rows: npt.NDArray[np.uint8]) -> int:
    ends_apart = int(BROADEST * rows.shape[1])  # where the strips along the other sides are
    rows = np.ascontiguousarray(rows[:, ends_apart : rows.shape[1] - ends_apart])
    ends = np.zeros(len(rows) - 2, bool)
    for lighter, darker in ((rows[2:], rows[:-2]), (rows[:-2], rows[2:])):
        steps = cv2.threshold(cv2.subtract(lighter, darker), STEP, 1, cv2.THRESH_BINARY)[1]
        ends |= cv2.reduce(steps, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() >= ALONG * rows.shape[1]
    found = np.flatnonzero(ends)
    return int(found[-1]) + 3 if len(found) else 0
