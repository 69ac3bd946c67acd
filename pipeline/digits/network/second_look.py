"""A second look at digits with an unsure answer, turned and slanted a little."""

import cv2
import numpy as np

from pipeline.digits.arrays import Floats, Images
from pipeline.digits.field import MIDDLE
from pipeline.digits.network.model import Classifier, in_batches, probabilities

# This is no setting, because no label may depend on what a user calls sure.
SURE = 0.95
BATCH = 500
# The default recipe warps training images this far.
DEGREES = 9.7
SLANT = 0.15
VIEWS = (
    *(cv2.getRotationMatrix2D((MIDDLE, MIDDLE), angle, 1) for angle in (-DEGREES, DEGREES)),
    *(np.array([[1, slant, -slant * MIDDLE], [0, 1, 0]]) for slant in (-SLANT, SLANT)),
)


def look_again(classifier: Classifier, images: Images, logits: Floats, temperature: float) -> Floats:
    """Correct answers that are not sure by the mean of the probabilities in five looks, the first and four views.

    ``images``: (N, 28, 28, 1) uint8; ``logits``: theirs, (N, 10) float32. Gives logits of the same shape: those of the mean
    where it answers another digit. Where it agrees, nothing changes, and a doubt stays a doubt. (Test-time augmentation:
    Krizhevsky et al., 2012, 4.1.)
    """
    unsure = np.flatnonzero(probabilities(logits, temperature).max(axis=1) < SURE)
    views = [cv2.warpAffine(image, view, image.shape[:2]) for view in VIEWS for image in images[unsure]]
    if not views:
        return logits
    seen = in_batches(classifier, np.stack(views)[..., np.newaxis], BATCH).reshape(len(VIEWS), len(unsure), -1)
    looks = np.concatenate([logits[np.newaxis, unsure], seen]) / temperature
    mean = temperature * np.logaddexp.reduce(looks - np.logaddexp.reduce(looks, axis=2, keepdims=True))
    is_other = mean.argmax(axis=1) != logits[unsure].argmax(axis=1)
    corrected = logits.copy()
    corrected[unsure[is_other]] = mean[is_other]
    return corrected
