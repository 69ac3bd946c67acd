"""From any decoded picture to what the network was trained on: 28x28, light ink on black, centred on its mass."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.digits import field
from pipeline.digits.scan.even import find_in_scan, is_uneven
from pipeline.digits.scan.frame import without_frame
from pipeline.digits.scan.pen import find_in_photo
from pipeline.digits.scan.shapes import Gray, Strokes, border, line_length

SMALLEST_PHOTO = 128
LEAST_FREE = 0.3


class Glyph(NamedTuple):
    """A normalised picture, and what doubt is judged by.

    ``field``: (28, 28) uint8, 0 for paper and 255 for ink. ``parts``: the pieces of ink it is made of, 0 where there was
    nothing to read. ``left_out``: the share, 0 to 1, of the picture's ink that was not taken for the digit. ``aspect``: its
    width over its height. ``beside``: the height of a piece that stands beside the main one, over the main one's. ``length``:
    of the line that it is written in, over that of an eight of straight lines, as displays show it, in the same box; 0 where
    the picture passed unchanged. ``is_faint``: the ink stands out so little that it may be none. ``is_cut_off``: it runs into
    the border of the picture, which is free elsewhere. ``is_perhaps_half``: its file may not be whole.
    """

    field: Gray
    parts: int
    left_out: float
    aspect: float
    beside: float
    length: float
    is_faint: bool = False
    is_cut_off: bool = False
    is_perhaps_half: bool = False

    @property
    def is_blank(self) -> bool:
        """Nothing to read was found."""
        return self.parts == 0


# Pixels of a picture times this: the sums of its rows, and then of its columns.
SUMS = np.hstack([np.repeat(np.eye(field.FIELD), field.FIELD, axis=0), np.tile(np.eye(field.FIELD), (field.FIELD, 1))])
SUMS = SUMS.astype(np.float32)
BLANK = Glyph(np.zeros((field.FIELD, field.FIELD), np.uint8), 0, 0.0, 0.0, 0.0, 0.0)


def normalise(picture: Gray) -> Glyph:
    """Turn a picture of one digit into a 28x28 field as MNIST's are: ink in a 20x20 box, centre of mass in the middle.

    ``picture``: (h, w) uint8, dark on light or light on dark, a cut-out, a scan or a photo. What is made like MNIST already
    passes unchanged, but for the polarity.
    """
    if picture.shape == (field.FIELD, field.FIELD):
        for light in (picture, cv2.bitwise_not(picture)):
            if field.is_mnist_like(light):
                _, _, width, height = cv2.boundingRect(light)
                return Glyph(np.asarray(light, np.uint8), 1, 0.0, width / height, 0.0, 0.0)
    strokes = _find(picture)
    drawn = strokes and field.draw(strokes.ink, strokes.mask)
    if strokes is None or drawn is None:
        return BLANK
    _, _, width, height = box = cv2.boundingRect(strokes.mask)
    line = line_length(strokes.mask)
    length, is_cut_off = line / (2 * height + 3 * width), _is_cut_off(strokes.mask, box, line)
    return Glyph(drawn, strokes.parts, strokes.left_out, width / height, strokes.beside, length, strokes.is_faint, is_cut_off)


def unchanged(pictures: Sequence[Gray]) -> list[Glyph | None]:
    """Give what ``normalise`` gives for pictures that are made like MNIST already, all at once in half the time.

    ``pictures``: (28, 28) uint8. None for one that would be changed.
    """
    if not pictures:
        return []
    given = np.stack(pictures)
    # Whole numbers below 2**24, which float32 holds all of.
    sums = (given.reshape(len(given), -1).astype(np.float32) @ SUMS).reshape(-1, 2, field.FIELD)
    is_dark_ink = (sums > 0).all(axis=(1, 2), keepdims=True)
    light = np.where(is_dark_ink, 255 - given, given)
    sums = np.where(is_dark_ink, 255 * field.FIELD - sums, sums)
    is_ink = sums > 0
    sizes = field.FIELD - is_ink.argmax(axis=2) - is_ink[..., ::-1].argmax(axis=2)
    mass = np.maximum(sums[:, 0].sum(axis=1), 1)
    centres = (sums @ np.arange(field.FIELD, dtype=np.float32)).astype(np.float64) / mass[:, np.newaxis]
    longest = sizes.max(axis=1)
    fits = (longest >= field.BOX - 1) & (longest <= field.BOX) & (np.abs(centres - field.MIDDLE).max(axis=1) <= 1)
    return [
        Glyph(picture, 1, 0.0, width / height, 0.0, 0.0) if is_like else None
        for picture, is_like, (height, width) in zip(light, fits.tolist(), sizes.tolist(), strict=True)
    ]


def _is_cut_off(mask: Gray, box: Sequence[int], line: float) -> bool:
    """Tell whether more than the breadth of a stroke lies along the border, far from the one on the other side.

    ``box``: left, top, width and height of the ink; ``line``: the length of its line. A cut-out that fits its digit closely is
    near both borders.
    """
    left, top, width, height = box
    right, bottom = mask.shape[1] - left - width, mask.shape[0] - top - height
    if min(left, top, right, bottom) > 0:
        return False
    far, breadth = LEAST_FREE * max(width, height), cv2.countNonZero(mask) / max(1.0, line)
    sides = ((left, right, mask[:, 0]), (right, left, mask[:, -1]), (top, bottom, mask[0]), (bottom, top, mask[-1]))
    return any(near == 0 and other > far and np.count_nonzero(side) > breadth for near, other, side in sides)


def _find(picture: Gray) -> Strokes | None:
    """A smaller picture is a cut-out: its strokes may be as broad as a shadow."""
    picture = without_frame(picture)
    may_be_photo = max(picture.shape) > SMALLEST_PHOTO
    strokes = None if may_be_photo and is_uneven(border(picture)) else find_in_scan(picture)
    return find_in_photo(picture) if strokes is None and may_be_photo else strokes
