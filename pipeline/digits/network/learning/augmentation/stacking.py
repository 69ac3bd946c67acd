"""One call of OpenCV for many small images: calling it for each costs more than the work."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Images

Value = TypeVar("Value", bound=np.generic)

PAD = 4
IMAGES_A_CALL = 800  # OpenCV's remap takes pictures of up to 32,767 rows


def stacked(images: Images, operation: Callable[[Images, int], Images]) -> Images:
    """Apply an operation to images stacked into tall pictures, four empty rows above and below each.

    ``images``: (N, h, w) uint8; so is the result. ``operation`` gets a tall picture, (k * (h + 8), w), and the index of its
    first image, and gives a picture of the same shape.
    """
    result = np.empty_like(images)
    for first in range(0, len(images), IMAGES_A_CALL):
        padded = pad_rows(images[first : first + IMAGES_A_CALL])
        tall = operation(padded.reshape(-1, images.shape[2]), first)
        result[first : first + IMAGES_A_CALL] = tall.reshape(padded.shape)[:, PAD:-PAD]
    return result


def pad_rows(images: npt.NDArray[Value], value: float = 0) -> npt.NDArray[Value]:
    """Put the rows between stacked images around each: (N, h, w) to (N, h + 8, w)."""
    return np.pad(images, ((0, 0), (PAD, PAD), (0, 0)), constant_values=value)
