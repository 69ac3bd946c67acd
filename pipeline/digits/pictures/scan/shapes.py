"""Small measures of pictures and masks that the other rooms share."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Gray

Picture = npt.NDArray[np.generic]

SQUARE = {size: np.ones((size, size), np.uint8) for size in range(1, 26)}
ROUNDNESS = 1.2


class Strokes(NamedTuple):
    """A digit as it was found in a picture.

    ``ink``: (h, w) uint8, how far each pixel stands out from the paper; ``mask``: (h, w) uint8, 1 where the digit is.
    ``parts``: the pieces of ink kept; ``left_out``: the share of the ink, 0 to 1, that was not; ``beside``, ``is_dotted``: as
    ``choose_parts`` gives them. ``is_faint``: it stands out so little that it may be no ink.
    """

    ink: Gray
    mask: Gray
    parts: int
    left_out: float
    beside: float
    is_faint: bool
    is_dotted: bool = False


def shrink(picture: Gray, longest: int) -> Gray:
    """Scale a picture down so that its longer side is ``longest`` pixels; a smaller one stays as it is."""
    height, width = picture.shape
    if max(height, width) <= longest:
        return picture
    step = max(height, width) // (2 * longest)
    # Whole steps first: ten times as fast on a camera's twelve megapixels.
    if step > 1 and min(height, width) >= step:
        size = width // step, height // step
        whole = picture[: size[1] * step, : size[0] * step]
        picture = np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = picture.shape
    scale = longest / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def border(picture: Gray) -> Gray:
    """Give the outermost pixels."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def stroke_width(ink: Gray) -> float:
    """Estimate the width of the strokes, in pixels: the ink over the length of the line. ``ink``: (h, w) uint8."""
    return cv2.sumElems(ink)[0] / max(1.0, line_length(ink))


def line_length(ink: Gray) -> float:
    """Estimate the length of the line that ink is written in, in pixels, times the value of the ink: half of its outline.

    ``ink``: (h, w) uint8. The outline is the total variation along rows and columns, which is too long for slanting lines.
    """
    row = ink.shape[1] + 1
    framed = cv2.copyMakeBorder(ink, 1, 1, 1, 0, cv2.BORDER_CONSTANT).ravel()
    outline = cv2.norm(framed[1:], framed[:-1], cv2.NORM_L1) + cv2.norm(framed[row:], framed[:-row], cv2.NORM_L1)
    return outline / (2 * ROUNDNESS)


def extent(mask: Gray) -> int:
    """Give the longer side of the box around what is not 0."""
    return int(max(cv2.boundingRect(mask)[2:]))


def quantile(values: Picture, share: float) -> int:
    """Estimate a quantile from every fourth pixel."""
    sample = values[::2, ::2].ravel()
    place = int(share * len(sample))
    return int(np.partition(sample, place)[place])
