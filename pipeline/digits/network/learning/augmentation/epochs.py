"""The images of one epoch: digits, each distorted anew, some of them own scans, and a few pictures that are no digit."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Floats, Images, Labels
from pipeline.digits.network.learning.augmentation.european import european
from pipeline.digits.network.learning.augmentation.hands import hands
from pipeline.digits.network.learning.augmentation.outliers import outliers
from pipeline.digits.network.learning.augmentation.pens import pens
from pipeline.digits.network.learning.augmentation.warp import warp
from pipeline.digits.network.networks import CLASSES
from pipeline.params.recipes import Augmentation


def draw_epochs(
    images: Images,
    labels: Labels,
    augmentation: Augmentation,
    *,
    size: int,
    epochs: int,
    seed: int,
    own: tuple[Images, Labels] | None = None,
    own_share: float = 0.0,
) -> Iterator[tuple[Images, Floats]]:
    """Draw the images and the targets of each epoch, ``size`` of them, the same for the same seed.

    ``images``: (N, 28, 28) uint8; ``labels``: (N,). Of the digits, ``own_share`` is ``own`` scans, in the same form. Yields
    (size, 28, 28) uint8 and (size, 10) float32: 1 for the digit, or a tenth for each digit where there is none. Given images
    come in random order, each as often as any other, give or take one; so do own scans.
    """
    random = np.random.default_rng(seed)
    digits = size - round(size * augmentation.outlier_share)
    own_images, own_labels = own or (images[:0], labels[:0])
    own_digits = round(digits * own_share) if len(own_labels) else 0
    every, every_label = np.concatenate([images, own_images]), np.concatenate([labels, own_labels])
    continental = european(every, every_label, random, augmentation.european)
    for number in range(epochs):
        chosen = _shuffled(len(images), digits - own_digits, random)
        chosen = np.concatenate([chosen, len(images) + _shuffled(len(own_labels), own_digits, random)])
        is_continental = random.random((digits, 1, 1)) < augmentation.european_share
        strength = augmentation.late_strength if number >= epochs - augmentation.late_epochs else 1.0
        written = np.where(is_continental, continental[chosen], every[chosen])
        written = hands(written, every_label[chosen], random, augmentation.hands, strength)
        pictures = np.concatenate([written, outliers(images, labels, size - digits, random)])
        targets = np.full((size, CLASSES), 1 / CLASSES, np.float32)
        targets[:digits] = np.eye(CLASSES, dtype=np.float32)[every_label[chosen]]
        pictures = warp(pictures, random, augmentation.warp, strength)
        pictures = pens(pictures, random, augmentation.pens, strength)
        order = random.permutation(size)
        yield pictures[order], targets[order]


def _shuffled(count: int, wanted: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Give ``wanted`` numbers below ``count`` in random order, each as often as any other, give or take one."""
    rounds = -(-wanted // count) if wanted else 0
    return np.concatenate([np.empty(0, np.int64), *(random.permutation(count) for _ in range(rounds))])[:wanted]
