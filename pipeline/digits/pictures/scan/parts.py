"""Which pieces of ink are the digit: broken strokes belong to it, neighbours and specks do not."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.scan.shapes import extent

MOST_PARTS = 12
CENTRAL = 0.3
FAR_FROM_CENTRE = 1.2
SMALLEST_AREA = 0.03
SMALLEST_SIZE = 0.12
WIDEST_GAP = 0.25
WIDEST_GAP_TO_EDGE = 0.05
SAME_COLUMN = 0.25
NARROW = 0.15
SPECK = 0.01
HALO = 6


@dataclass(frozen=True)
class _Part:
    """A piece of ink: its place in the table, its box in pixels and its area; ``is_at_edge`` where it may be cut off."""

    number: int
    left: int
    top: int
    width: int
    height: int
    area: int
    is_at_edge: bool
    score: float

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def size(self) -> int:
        return max(self.width, self.height)


def choose_parts(table: npt.NDArray[np.int32], shape: tuple[int, int]) -> tuple[npt.NDArray[np.bool_], float]:
    """Choose the largest, most central piece, and what is near it and of some size.

    ``table``: (n, 5), left, top, width, height and area of each, as cv2.connectedComponentsWithStats has them; ``shape``: of
    the picture. Gives which were chosen, and the height of the tallest that stands beside the main one over the main one's.
    """
    kept = np.zeros(len(table), bool)
    largest_first = np.argsort(-table[:, cv2.CC_STAT_AREA], kind="stable")[:MOST_PARTS]
    parts = [_part(number, table[number].tolist(), shape) for number in largest_first.tolist()]
    main = max(parts, key=lambda part: part.score)
    kept[main.number] = True
    beside = 0.0
    left, top, right, bottom = main.left, main.top, main.right, main.bottom
    for part in parts:
        if part is main:
            continue
        shared_columns = min(part.right, main.right) - max(part.left, main.left)
        is_beside = shared_columns < SAME_COLUMN * min(part.width, main.width)
        if is_beside and not (part.is_at_edge and part.width < NARROW * shape[0]):
            beside = max(beside, part.height / main.height)
        gap = max(part.left - right, left - part.right, part.top - bottom, top - part.bottom, 0)
        widest = WIDEST_GAP_TO_EDGE if part.is_at_edge and not main.is_at_edge else WIDEST_GAP
        if part.area >= SMALLEST_AREA * main.area and part.size >= SMALLEST_SIZE * main.size and gap <= widest * main.size:
            kept[part.number] = True
            left, top = min(left, part.left), min(top, part.top)
            right, bottom = max(right, part.right), max(bottom, part.bottom)
    return kept, beside


def is_speck(mask: Gray, window: Gray, picture: Gray) -> bool:
    """Tell whether a digit is too small to be one: for its page, or to be read at all.

    ``mask``: of the window, shrunk; ``window``: the part of the picture that was looked at. Blur and compression broaden
    specks by some pixels.
    """
    size = extent(mask) * max(window.shape) / max(mask.shape)
    longest = max(picture.shape)
    return bool(size < min(SPECK * longest + HALO, longest / 4))


def _part(number: int, box: list[int], shape: tuple[int, int]) -> _Part:
    left, top, width, height, area = box
    across = abs(2 * left + width - shape[1]) / (2 * shape[1])
    down = abs(2 * top + height - shape[0]) / (2 * shape[0])
    touches = left <= 0 or top <= 0 or left + width >= shape[1] or top + height >= shape[0]
    is_at_edge = touches and max(across, down) > CENTRAL
    score = max(width, height) * area**0.5 * (0.5 if is_at_edge else 1) * (FAR_FROM_CENTRE - float(np.hypot(across, down)))
    return _Part(number, left, top, width, height, area, is_at_edge, score)
