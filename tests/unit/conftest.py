"""What the unit tests share. What is large is imported where it is used, and not by the process that hands out the tests."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

if TYPE_CHECKING:
    import numpy as np


@pytest.fixture(scope="session")
def scan() -> "np.ndarray":
    """A real handwritten 5 as a scanner gives it: 120x90, dark on white, off the centre."""
    import cv2
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    glyph = 255 - (digits.images[5] * 255 / 16).astype(np.uint8)
    page = np.full((120, 90), 250, np.uint8)
    page[20:84, 5:69] = np.minimum(cv2.resize(glyph, (64, 64), interpolation=cv2.INTER_CUBIC), 250)
    return page


@pytest.fixture(scope="session")
def others() -> "np.ndarray":
    """The fields of all digits that are no 5: (1615, 28, 28) int."""
    import numpy as np
    from sklearn.datasets import load_digits

    from pipeline.digits.pictures.normalising import normalise

    digits = load_digits()
    pictures = (digits.images[digits.target != 5] * 255 / 16).astype(np.uint8)
    return np.stack([normalise(picture).field for picture in pictures]).astype(int)
