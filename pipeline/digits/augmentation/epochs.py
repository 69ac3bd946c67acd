"""The images of one epoch: every digit, distorted anew, and a few pictures that are no digit in between."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.digits.augmentation.european import european
from pipeline.digits.augmentation.outliers import outliers
from pipeline.digits.augmentation.pens import pens
from pipeline.digits.augmentation.warp import warp
from pipeline.digits.network import CLASSES

Images = npt.NDArray[np.uint8]
Targets = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed; shares are from 0 to 1.

    ``european``: shares of the ones and sevens that have a European form, and ``european_share`` of the epochs that show it.
    ``outlier_share``: of the pictures of an epoch. ``warp`` and ``pens``: the keywords of the functions of these names. In the
    last ``late_epochs`` both have ``late_strength``.
    """

    european: Mapping[str, float]
    european_share: float
    outlier_share: float
    warp: Mapping[str, float]
    pens: Mapping[str, float]
    late_epochs: int
    late_strength: float


def draw_epochs(
    images: Images, labels: npt.NDArray[np.uint8], augmentation: Augmentation, *, size: int, epochs: int, seed: int
) -> Iterator[tuple[Images, Targets]]:
    """Draw the images and the targets of each epoch, ``size`` of them, the same for the same seed.

    ``images``: (N, 28, 28) uint8; ``labels``: (N,). Yields (size, 28, 28) uint8 and (size, 10) float32: 1 for the digit, or a
    tenth for each where there is none. Digits come in random order, each as often as any other, give or take one.
    """
    random = np.random.default_rng(seed)
    digits = size - round(size * augmentation.outlier_share)
    continental = european(images, labels, random, **augmentation.european)
    for number in range(epochs):
        chosen = np.concatenate([random.permutation(len(images)) for _ in range(-(-digits // len(images)))])[:digits]
        is_continental = random.random((digits, 1, 1)) < augmentation.european_share
        pictures = np.concatenate(
            [np.where(is_continental, continental[chosen], images[chosen]), outliers(images, labels, size - digits, random)]
        )
        targets = np.full((size, CLASSES), 1 / CLASSES, np.float32)
        targets[:digits] = np.eye(CLASSES, dtype=np.float32)[labels[chosen]]
        strength = augmentation.late_strength if number >= epochs - augmentation.late_epochs else 1.0
        pictures = warp(pictures, random, **augmentation.warp, strength=strength)
        pictures = pens(pictures, random, **augmentation.pens, strength=strength)
        order = random.permutation(size)
        yield pictures[order], targets[order]
