"""A digit written with a pen, in a photo of a page."""

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.scan import even
from pipeline.digits.pictures.scan.parts import choose_parts, is_speck
from pipeline.digits.pictures.scan.photo import PenInk, is_dark_pen, pen_ink
from pipeline.digits.pictures.scan.ruled_lines import without_box, without_grid, without_lines
from pipeline.digits.pictures.scan.shapes import SQUARE, Strokes, extent, shrink, stroke_width

LONGEST = 224
SMALL = 48
SURE = 1.6
PLAIN = 2.4
FEWEST_SURE = 12
ACROSS = 0.97
SMALLEST, LARGEST_REST = 0.06, 0.12
ENOUGH_EXPLAINED = 0.9
MOSTLY_EXPLAINED = 0.5
WEAKEST = 0.3
WEAKEST_CLOSER = 0.45
MARGIN = 0.5
OVER_MOST = 0.7
BROAD = 0.06
MOST_INK = 0.65
MOST_OF_SIDE = 0.8
# A stroke is sharp along two thirds of its outline, a shadow on one side alone.
DULLEST_THIRD, SHARPEST_FIFTH = 35, 80
DULL = 0.25


def find_in_photo(picture: Gray) -> Strokes | None:
    """Find the digit in a photo, (h, w) uint8; None where there is nothing to read."""
    small = shrink(picture, LONGEST)
    is_dark = is_dark_pen(small)
    found = _digit(pen_ink(small, is_dark=is_dark))
    return _find_broad(small, found) or (found and _look_closer(picture, found, is_dark=is_dark))


def _find_broad(picture: Gray, found: Strokes | None) -> Strokes | None:
    """Find broad strokes all over the picture, where the thin ones that were found do not account for its edges."""
    edges = _sharp_edges(picture)
    explained = _explained(edges, found.mask) if found else 0.0
    if explained < ENOUGH_EXPLAINED:
        for is_dark in (True, False):
            broad = even.find_broad(picture, is_dark=is_dark)
            if broad and not broad.is_faint and _fills(broad, edges, max(explained, MOSTLY_EXPLAINED)):
                return broad
    return None


def _look_closer(picture: Gray, found: Strokes, *, is_dark: bool) -> Strokes | None:
    """Take a small digit from the picture in full size; None where it is a speck."""
    mask = _above(found.mask, found.ink, WEAKEST)
    window, ink = picture, found.ink
    if extent(mask) < SMALL and max(picture.shape) > 1.3 * LONGEST:
        window, mask = even.cut_out(picture, mask, MARGIN)
        closer = shrink(window, even.LONGEST)
        ink = pen_ink(closer, is_dark=is_dark).ink
        mask = cv2.resize(cv2.dilate(mask, SQUARE[3]), closer.shape[::-1], interpolation=cv2.INTER_NEAREST)
        mask = _above(mask, ink, WEAKEST_CLOSER)
    return None if is_speck(mask, window, picture) else found._replace(ink=ink, mask=mask)


def _above(mask: Gray, ink: Gray, share: float) -> Gray:
    """Keep the part of the mask that has at least a share of the ink of its strongest fifth."""
    if not cv2.countNonZero(mask):  # in a very narrow picture nothing may be left of it
        return mask
    return mask & (ink > share * np.percentile(ink[mask > 0], 80)).astype(np.uint8)


def _fills(broad: Strokes, edges: Gray, least: float) -> bool:
    """Tell whether broad strokes go over most of the picture and along its edges, and are no page's edge nor a shadow's.

    ``least``: the share of the edges that they must account for.
    """
    mask = np.asarray(cv2.resize(broad.mask, edges.shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    (_, _, width, height), size = cv2.boundingRect(mask), max(mask.shape)
    is_page = any(cv2.countNonZero(side) > MOST_OF_SIDE * len(side) for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    is_broad = max(width, height) > OVER_MOST * size and stroke_width(mask) > BROAD * size
    is_open = cv2.countNonZero(mask) < MOST_INK * width * height
    if broad.parts > 3 or is_page or not (is_broad and is_open) or _explained(edges, mask) <= least:
        return False
    along = cv2.dilate(edges, SQUARE[5])[mask > cv2.erode(mask, SQUARE[3])]
    dull, sharp = np.percentile(along, [DULLEST_THIRD, SHARPEST_FIFTH])
    return bool(dull > DULL * sharp)


def _sharp_edges(picture: Gray) -> Gray:
    """Give how far the edges in a picture are above a third of its sharpest."""
    edges = cv2.morphologyEx(cv2.blur(picture, (3, 3)), cv2.MORPH_GRADIENT, SQUARE[3])
    return np.asarray(cv2.subtract(edges, 0.3 * float(np.percentile(edges, 99.5))), np.uint8)


def _explained(edges: Gray, mask: Gray) -> float:
    """Give the share of the sharp edges that go along the mask's own."""
    along = cv2.multiply(edges, cv2.dilate(mask, SQUARE[9]) - cv2.erode(mask, SQUARE[9]))
    return float(cv2.sumElems(along)[0] / (cv2.sumElems(edges)[0] + 1))


def _digit(pen: PenInk) -> Strokes | None:
    """Choose the digit among what stands out of the noise."""
    is_real, is_sure = pen.strength > 1, pen.strength > SURE
    if np.count_nonzero(is_sure) < FEWEST_SURE:
        return None
    mask, least = without_grid(is_real.astype(np.uint8), pen.soft)
    mask = without_lines(without_box(mask)) & (pen.soft > WEAKEST * np.percentile(pen.soft[is_real], 90)).astype(np.uint8)
    _, labels, table, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    strokes = _strokes(labels, table, mask, pen)
    if not strokes:
        return None
    kept, beside, is_dotted = choose_parts(table[strokes], mask.shape)
    chosen = np.isin(labels, np.array(strokes)[kept]).astype(np.uint8)
    is_crossing = least > 0 and extent(chosen) < SMALLEST * max(mask.shape)  # where two lines of the squares meet
    # Larger than this, it is a digit also where the lines are as dark as the pen.
    is_rest = extent(chosen) < LARGEST_REST * max(mask.shape) and np.percentile(pen.soft[chosen > 0], 80) <= least
    if is_crossing or is_rest or np.count_nonzero(is_sure[chosen > 0]) < FEWEST_SURE:
        return None
    area = table[strokes, cv2.CC_STAT_AREA]
    ink, left_out = area[kept].sum(), area[~kept & (area >= FEWEST_SURE)].sum()  # squares leave specks where they cross
    is_faint = bool(np.percentile(pen.strength[chosen > 0], 80) < PLAIN)
    return Strokes(pen.ink, chosen, int(kept.sum()), float(left_out / (ink + left_out)), beside, is_faint, is_dotted)


def _strokes(labels: npt.NDArray[np.int32], table: npt.NDArray[np.int32], mask: Gray, pen: PenInk) -> list[int]:
    """Give the numbers of the pieces that may be strokes: no line across the page, no edge of a page or of a shadow."""
    count = len(table)
    is_across = (table[:, 2] >= ACROSS * mask.shape[1]) | (table[:, 3] >= ACROSS * mask.shape[0])
    if is_across[1:].any():  # but for the broad strokes of a digit
        broad = np.bincount(labels[cv2.morphologyEx(mask, cv2.MORPH_OPEN, SQUARE[7]) > 0], minlength=count)
        is_across &= broad < 0.3 * table[:, cv2.CC_STAT_AREA]
    return [
        number
        for number in range(1, count)
        if not is_across[number]
        and (table[number, cv2.CC_STAT_AREA] < FEWEST_SURE or _is_stroke(number, labels, table[number], pen))
    ]


def _is_stroke(number: int, labels: npt.NDArray[np.int32], row: npt.NDArray[np.int32], pen: PenInk) -> bool:
    """Tell whether paper lies on both sides. It does not along an edge of a page or of a shadow, nor on a dome of light."""
    left, top, width, height = row[:4]
    window = np.s_[max(0, top - 3) : top + height + 3, max(0, left - 3) : left + width + 3]
    piece = (labels[window] == number).astype(np.uint8)
    ring = cv2.dilate(piece, SQUARE[5]) - cv2.dilate(piece, SQUARE[3])
    return bool(np.percentile(pen.beyond[window][ring > 0], 60) < 0.5 * cv2.mean(pen.strength[window], piece)[0])
