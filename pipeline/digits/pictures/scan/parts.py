"""Which pieces of ink are the digit: broken strokes belong to it, neighbours and specks do not."""

from dataclasses import dataclass
from typing import NamedTuple

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
SAME_COLUMN = 0.25
NARROW = 0.15
# A line is so low for its length, and so far below a digit for the digit's size.
FLAT, FREE = 0.25, 0.08
# Two digits are so high for their breadth, and they are no narrow 1, or have such a gap for their height.
STACKED, NARROWEST, LEAST_GAP = 1.8, 0.25, 0.08
LARGEST_DOT = 0.28
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
    def is_flat(self) -> bool:
        return self.height < FLAT * self.width

    @property
    def size(self) -> int:
        return max(self.width, self.height)


class Choice(NamedTuple):
    """Which pieces of ink are the digit: ``kept``, (n,).

    ``beside``: the height of the tallest that stands beside, above or below the main one, over the main one's. ``is_dotted``:
    all that is kept with the main one is a dot below it, as of a question mark.
    """

    kept: npt.NDArray[np.bool_]
    beside: float
    is_dotted: bool


def choose_parts(table: npt.NDArray[np.int32], shape: tuple[int, int]) -> Choice:
    """Choose the largest, most central piece, and what is near it and of some size.

    ``table``: (n, 5), left, top, width, height and area of each, as cv2.connectedComponentsWithStats has them; ``shape``: of
    the picture.
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
        if _is_stacked(part, main):
            beside = max(beside, min(part.height, main.height) / max(part.height, main.height))
        if part.is_flat and part.top - main.bottom > FREE * main.size:  # it underlines the digit, and is no foot
            continue
        gap = max(part.left - right, left - part.right, part.top - bottom, top - part.bottom, 0)
        widest = 0 if part.is_at_edge and not main.is_at_edge else WIDEST_GAP
        if part.area >= SMALLEST_AREA * main.area and part.size >= SMALLEST_SIZE * main.size and gap <= widest * main.size:
            kept[part.number] = True
            left, top = min(left, part.left), min(top, part.top)
            right, bottom = max(right, part.right), max(bottom, part.bottom)
    others = [part for part in parts if kept[part.number] and part is not main]
    return Choice(kept, beside, len(others) == 1 and _is_dot(others[0], main))


def _is_dot(part: _Part, main: _Part) -> bool:
    """Tell whether a piece is a dot below the main one: one after a digit is not below it, a broken stroke is longer."""
    is_round = min(part.width, part.height) > part.size / 2 and part.size < LARGEST_DOT * main.size
    is_below = part.top > main.bottom and main.left <= part.left and part.right <= main.right
    return is_round and is_below


def _is_stacked(part: _Part, main: _Part) -> bool:
    """Tell whether two pieces, one above the other, are as high as two digits: a broken one is not so high for its breadth.

    The two halves of a broken 1 are narrow.
    """
    gap = max(part.top - main.bottom, main.top - part.bottom)
    width = max(part.right, main.right) - min(part.left, main.left)
    height = max(part.bottom, main.bottom) - min(part.top, main.top)
    return gap > 0 and height > STACKED * width and (gap > LEAST_GAP * height or width > NARROWEST * height)


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
    # A line under a digit may have more ink than the digit.
    weight = (0.5 if is_at_edge else 1) * (0.3 if height < FLAT * width else 1)
    score = weight * max(width, height) * area**0.5 * (FAR_FROM_CENTRE - float(np.hypot(across, down)))
    return _Part(number, left, top, width, height, area, is_at_edge, score)
