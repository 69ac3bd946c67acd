"""What is printed on the paper: the boxes of forms, ruled lines, squares."""

import cv2
import numpy as np

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.scan.shapes import SQUARE, extent

LONG = 0.7
ACROSS = 0.97
MARGIN = 0.12
THICKEST = 0.1
LEAST_REST = 0.2
GRID_RUN = 0.12
FEWEST_LINES = 3
SMALLEST_BOX = 12
# A tilted box has its lines in broad bands; each must be closed, but for breaks.
BANDS, CLOSED = (0.05, 0.08, 0.12), 0.93
THICKEST_BOX = 0.05


def without_lines(mask: Gray) -> Gray:
    """Erase box edges and ruled lines: long, thin, straight, and along the border or across the whole picture.

    ``mask``: (h, w) uint8, 0 and 1; so is the result, the same object where there was nothing to erase.
    """
    box = cv2.boundingRect(mask)
    for is_turned in (False, True):
        height, width = mask.shape[::-1] if is_turned else mask.shape
        if box[3 if is_turned else 2] < LONG * width:
            continue
        ink = cv2.reduce(mask, 0 if is_turned else 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
        if cv2.minMaxLoc(ink)[1] < LONG * width:
            continue
        filled = ink.ravel() >= LONG * width
        edge = int(MARGIN * height) + 1
        first, last = (mask[0], mask[-1]) if is_turned else (mask[:, 0], mask[:, -1])
        if not (filled[:edge].any() or filled[-edge:].any() or (filled.any() and first.any() and last.any())):
            continue
        rows = np.ascontiguousarray(mask.T) if is_turned else mask
        rest = _without_rows(rows)
        if rest is not rows and extent(rest) > LEAST_REST * max(height, width):
            mask = np.ascontiguousarray(rest.T) if is_turned else rest
    return mask


def without_box(mask: Gray) -> Gray:
    """Erase a box that is around all other ink, straight or tilted by a few degrees; the same object where there is none.

    ``mask``: (h, w) uint8, 0 and 1. Its lines are thin: those of a digit, such as a 0 on a display, are broader.
    """
    left, top, width, height = cv2.boundingRect(mask)
    if min(width, height) < SMALLEST_BOX:
        return mask
    inside = mask[top : top + height, left : left + width]
    if not _is_closed(inside, BANDS[-1]):
        return mask
    share = next(share for share in BANDS if _is_closed(inside, share))
    across, down = _breadths(inside, share)
    rest = np.zeros_like(mask)
    window = np.s_[top + down : top + height - down, left + across : left + width - across]
    rest[window] = mask[window]
    erased = cv2.countNonZero(mask) - cv2.countNonZero(rest)
    return rest if erased < THICKEST_BOX * max(width, height) * 2 * (width + height) else mask


def _is_closed(mask: Gray, share: float) -> bool:
    """Tell whether ink goes all along each side of a mask, in a band that is as broad as a share of the mask."""
    across, down = _breadths(mask, share)
    if not (mask[-down:, :across].any() and mask[-down:, -across:].any()):  # few digits have such corners
        return False
    bands = (mask[:down], 0), (mask[-down:], 0), (mask[:, :across], 1), (mask[:, -across:], 1)
    return all(np.count_nonzero(band.any(axis=axis)) >= CLOSED * band.shape[1 - axis] for band, axis in bands)


def _breadths(mask: Gray, share: float) -> tuple[int, int]:
    return 2 + round(share * mask.shape[1]), 2 + round(share * mask.shape[0])


def _without_rows(mask: Gray) -> Gray:
    """Erase horizontal lines, but for what crosses them."""
    height, width = mask.shape
    runs = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((1, max(3, int(LONG * width))), np.uint8))
    found = np.flatnonzero(runs.any(axis=1))
    rest = mask.copy() if len(found) else mask
    for line in np.split(found, np.flatnonzero(np.diff(found) > 1) + 1) if len(found) else ():
        is_at_edge = line[0] <= MARGIN * height or line[-1] >= (1 - MARGIN) * height
        if len(line) > THICKEST * height or not (is_at_edge or mask[line].any(axis=0).mean() > ACROSS):
            continue
        above, below = max(0, line[0] - 1), min(height, line[-1] + 2)
        rest[above:below] *= mask[above - 1] & mask[below] if above > 0 and below < height else 0
    return rest


def without_grid(mask: Gray, ink: Gray) -> tuple[Gray, float]:
    """Erase squares and rules: straight along rows or columns, up to the border, and weaker than the pen.

    The hand that held the camera may have turned them by a few degrees. ``mask``: (h, w) uint8, 0 and 1; ``ink``: (h, w)
    uint8, how much each pixel stands out. Gives the mask without them, and the ink that only the pen reaches, 0 where
    nothing was erased.
    """
    size = int(GRID_RUN * max(mask.shape))
    thin = mask & ~cv2.dilate(cv2.morphologyEx(mask, cv2.MORPH_OPEN, SQUARE[9]), SQUARE[3])
    lines, number = np.zeros_like(mask), 0
    for across, along in (((3, 1), (1, size)), ((1, 3), (size, 1))):
        run = cv2.morphologyEx(cv2.dilate(thin, np.ones(across, np.uint8)), cv2.MORPH_OPEN, np.ones(along, np.uint8)) & thin
        _, labels, table, _ = cv2.connectedComponentsWithStats(cv2.dilate(run, SQUARE[3]), connectivity=8)
        right, bottom = table[:, 0] + table[:, 2], table[:, 1] + table[:, 3]
        ends = (table[:, :2] <= 2).any(axis=1) | (right >= mask.shape[1] - 2) | (bottom >= mask.shape[0] - 2)
        ends[0] = False
        number += int(np.count_nonzero(ends))
        lines |= ends.astype(np.uint8)[labels] & run
    if number < FEWEST_LINES or np.count_nonzero(lines) < min(mask.shape):  # strokes of a digit that was cut off
        return mask, 0.0
    strength = 1.3 * float(np.percentile(ink[lines > 0], 85))
    return mask & ~((cv2.dilate(lines, SQUARE[3]) > 0) & (ink < strength)).astype(np.uint8), strength
