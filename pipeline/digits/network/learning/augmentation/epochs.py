"""The images of one epoch: every digit, distorted anew, and a few pictures that are no digit in between."""

from collections.abc import Iterator

import numpy as np

from pipeline.digits.arrays import Floats, Images, Labels
from pipeline.digits.network.learning.augmentation.european import european
from pipeline.digits.network.learning.augmentation.hands import hands
from pipeline.digits.network.learning.augmentation.outliers import outliers
from pipeline.digits.network.learning.augmentation.pens import pens
from pipeline.digits.network.learning.augmentation.warp import warp
from pipeline.digits.network.networks import CLASSES
from pipeline.params import Augmentation


def draw_epochs(
    images: Images, labels: Labels, augmentation: Augmentation, *, size: int, epochs: int, seed: int
) -> Iterator[tuple[Images, Floats]]:
    """Draw the images and the targets of each epoch, ``size`` of them, the same for the same seed.

    ``images``: (N, 28, 28) uint8; ``labels``: (N,). Yields (size, 28, 28) uint8 and (size, 10) float32: 1 for the digit, or a
    tenth for each digit where there is none. Given images come in random order, each as often as any other, give or take one.
    """
    random = np.random.default_rng(seed)
    digits = size - round(size * augmentation.outlier_share)
    continental = european(images, labels, random, augmentation.european)
    for number in range(epochs):
        chosen = np.concatenate([random.permutation(len(images)) for _ in range(-(-digits // len(images)))])[:digits]
        is_continental = random.random((digits, 1, 1)) < augmentation.european_share
        strength = augmentation.late_strength if number >= epochs - augmentation.late_epochs else 1.0
        written = np.where(is_continental, continental[chosen], images[chosen])
        written = hands(written, labels[chosen], random, augmentation.hands, strength)
        pictures = np.concatenate([written, outliers(images, labels, size - digits, random)])
        targets = np.full((size, CLASSES), 1 / CLASSES, np.float32)
        targets[:digits] = np.eye(CLASSES, dtype=np.float32)[labels[chosen]]
        pictures = warp(pictures, random, augmentation.warp, strength)
        pictures = pens(pictures, random, augmentation.pens, strength)
        order = random.permutation(size)
        yield pictures[order], targets[order]
