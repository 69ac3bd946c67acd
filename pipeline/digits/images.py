"""From any decoded picture to what the network was trained on: 28x28, light ink on black, centred on its mass."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.digits import field
from pipeline.digits.scan.even import find_on_even_paper, is_uneven
from pipeline.digits.scan.frame import without_frame
from pipeline.digits.scan.pen import find_in_photo
from pipeline.digits.scan.shapes import Gray, Strokes

SMALLEST_PHOTO = 128


@dataclass(frozen=True)
class Glyph:
    """A normalised picture, and what doubt is judged by.

    ``field``: (28, 28) uint8, 0 for paper and 255 for ink. ``parts``: the pieces of ink it is made of, 0 where there was
    nothing to read. ``left_out``: the share, 0 to 1, of the picture's ink that was not taken for the digit. ``aspect``: its
    width over its height. ``beside``: the height of a piece that stands beside the main one, over the main one's.
    """

    field: Gray
    parts: int
    left_out: float
    aspect: float
    beside: float

    @property
    def is_blank(self) -> bool:
        """Nothing to read was found."""
        return self.parts == 0


BLANK = Glyph(np.zeros((field.FIELD, field.FIELD), np.uint8), 0, 0.0, 0.0, 0.0)


def normalise(picture: Gray) -> Glyph:
    """Turn a picture of one digit into a 28x28 field as MNIST's are: ink in a 20x20 box, centre of mass in the middle.

    ``picture``: (h, w) uint8, dark on light or light on dark, a cut-out, a scan or a photo. What is made like MNIST already
    passes unchanged, but for the polarity.
    """
    if picture.shape == (field.FIELD, field.FIELD):
        for light in (picture, cv2.bitwise_not(picture)):
            if field.is_mnist_like(light):
                _, _, width, height = cv2.boundingRect(light)
                return Glyph(np.asarray(light, np.uint8), 1, 0.0, width / height, 0.0)
    strokes = _find(picture)
    if strokes is None:
        return BLANK
    drawn = field.draw(strokes.ink, strokes.mask)
    if drawn is None:
        return BLANK
    _, _, width, height = cv2.boundingRect(strokes.mask)
    return Glyph(drawn, strokes.parts, strokes.left_out, width / height, strokes.beside)


def _find(picture: Gray) -> Strokes | None:
    """A smaller picture is a cut-out: its strokes may be as broad as a shadow."""
    picture = without_frame(picture)
    may_be_photo = max(picture.shape) > SMALLEST_PHOTO
    strokes = None if may_be_photo and is_uneven(picture) else find_on_even_paper(picture)
    return find_in_photo(picture) if strokes is None and may_be_photo else strokes
