"""A second look at digits that were not read surely: turned and slanted a little, the answers averaged."""

import cv2
import numpy as np

from pipeline.digits.field import MIDDLE
from pipeline.digits.model import Classifier, Floats, Images, in_batches, probabilities

SURE = 0.95
BATCH = 500
# As far as the images of training are warped.
DEGREES = 9.7
SLANT = 0.15
VIEWS = (
    *(cv2.getRotationMatrix2D((MIDDLE, MIDDLE), angle, 1) for angle in (-DEGREES, DEGREES)),
    *(np.array([[1, slant, -slant * MIDDLE], [0, 1, 0]]) for slant in (-SLANT, SLANT)),
)


def look_again(classifier: Classifier, images: Images, logits: Floats, temperature: float) -> Floats:
    """Average the logits of what was not read surely with those of four views of it.

    ``images``: (N, 28, 28, 1) uint8; ``logits``: theirs, (N, 10) float32, and so is the result. (Test-time augmentation:
    Krizhevsky et al., 2012, 4.1.)
    """
    unsure = np.flatnonzero(probabilities(logits, temperature).max(axis=1) < SURE)
    views = [cv2.warpAffine(image, view, image.shape[:2]) for view in VIEWS for image in images[unsure]]
    if not views:
        return logits
    looks = in_batches(classifier, np.stack(views)[..., np.newaxis], BATCH).reshape(len(VIEWS), len(unsure), -1)
    averaged = logits.copy()
    averaged[unsure] = (logits[unsure] + looks.sum(axis=0)) / (1 + len(VIEWS))
    return averaged
