"""What the unit tests share."""

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from pipeline.digits.images import normalise


@pytest.fixture(scope="session")
def scan() -> np.ndarray:
    """A real handwritten 5 as a scanner gives it: 120x90, dark on white, off the centre."""
    digits = load_digits()
    glyph = 255 - (digits.images[5] * 255 / 16).astype(np.uint8)
    page = np.full((120, 90), 250, np.uint8)
    page[20:84, 5:69] = np.minimum(cv2.resize(glyph, (64, 64), interpolation=cv2.INTER_CUBIC), 250)
    return page


@pytest.fixture(scope="session")
def others() -> np.ndarray:
    """The fields of all digits that are no 5: (1615, 28, 28) int."""
    digits = load_digits()
    pictures = (digits.images[digits.target != 5] * 255 / 16).astype(np.uint8)
    return np.stack([normalise(picture).field for picture in pictures]).astype(int)
