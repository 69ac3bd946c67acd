"""A few numbers of each picture, by which batches of pictures are compared: what a scanner, a pen and a hand change."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Gray
from pipeline.digits.field import FIELD
from pipeline.digits.pictures.normalising import Glyph

# The longest side of a picture in pixels, mean and standard deviation of its shades; of its field: the mean of the pixels, the
# share of the ink that is neither light nor full, the width over the height, and columns to the right for each row up.
NAMES = ("side", "shade", "contrast", "ink", "softness", "aspect", "slant")
LIGHT, FULL = 32, 224
ROWS, COLUMNS = np.mgrid[:FIELD, :FIELD].reshape(2, -1).astype(np.float32)
# A field's pixels times each of these rows give its mass, and the moments that a slant is made of.
MOMENTS = np.stack([np.ones_like(ROWS), ROWS, COLUMNS, ROWS * COLUMNS, ROWS**2])
# Both sides of a comparison are rounded alike. The largest number of this kind is 65,504.
Traits = npt.NDArray[np.float16]
LONGEST = 60_000


class Shades(NamedTuple):
    """A picture before it is normalised: its longest side in pixels, mean and standard deviation of its pixels, 0 to 255."""

    side: int
    mean: float
    deviation: float


def shades(picture: Gray | str) -> Shades:
    """Measure a picture, (h, w) uint8; zeros for what is no picture."""
    if isinstance(picture, str):
        return Shades(0, 0.0, 0.0)
    mean, deviation = cv2.meanStdDev(picture)
    return Shades(min(max(picture.shape), LONGEST), mean[0, 0], deviation[0, 0])


def of(before: Sequence[Shades], glyphs: Sequence[Glyph]) -> Traits:
    """Give the traits of N pictures, (N, 7) float16, in the order of NAMES; ``before``: what the same were measured as."""
    fields = np.array([glyph.field for glyph in glyphs], np.uint8).reshape(-1, FIELD * FIELD)
    inked, full = (np.count_nonzero(fields >= shade, axis=1) for shade in (LIGHT, FULL))
    moments: npt.NDArray[Any] = np.einsum("ij,kj->ik", fields.astype(np.float32), MOMENTS).astype(np.float64)
    mass = np.maximum(moments[:, 0], 1)
    row, column, both, rows = (moments[:, 1:] / mass[:, np.newaxis]).T
    columns = (
        *np.array(before, np.float64).reshape(-1, 3).T,
        moments[:, 0] / FIELD**2,
        1 - full / np.maximum(inked, 1),
        np.array([glyph.aspect for glyph in glyphs]),
        (row * column - both) / np.maximum(rows - row**2, 1e-6),
    )
    return np.stack(columns, axis=1).astype(np.float16)
