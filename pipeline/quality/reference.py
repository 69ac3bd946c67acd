"""What a digit usually looks like: a Gaussian for each digit, and the usual features, for each known data set.

Made by ``python -m bench.quality --calibrate`` from the training images of MNIST and of ``load_digits``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.digits.arrays import Images, Labels
from pipeline.digits.pictures.features import SHAPE

FILE = Path(__file__).with_name("reference.npz")
# A data set without a reference of its own is compared with this one's.
DEFAULT = "mnist"
IMAGES_AT_ONCE = 5000
# A label that is no digit fits nothing.
NO_FIT = 1000.0

Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Reference:
    """Quadratic discriminant analysis (Hastie et al., The Elements of Statistical Learning, 4.3) of principal components.

    ``mean`` (784,) and ``components`` (784, K) of pixels from 0 to 1; for each digit ``centres`` (10, K), ``whitenings``
    (10, K, K), whose product with a distance from the centre has variance 1, and ``constants`` (10,) of the logarithm of the
    density; ``usual`` and ``spread`` (10, F): mean and standard deviation of the features in ``features.SHAPE``.
    """

    mean: Numbers
    components: Numbers
    centres: Numbers
    whitenings: Numbers
    constants: Numbers
    usual: Numbers
    spread: Numbers

    def measure(self, images: Images, labels: Labels) -> pd.DataFrame:
        """Compare images with it. ``label_gap``: the log-likelihood, in nats, of the likeliest digit minus that of the label.

        ``strangeness``: the squared distance, with pixels from 0 to 1, from the nearest picture that a digit can have.
        """
        gaps: list[Numbers] = [np.empty(0)]
        distances: list[Numbers] = [np.empty(0)]
        for start in range(0, len(images), IMAGES_AT_ONCE):
            densities, distance = self._look(images[start : start + IMAGES_AT_ONCE])
            own = labels[start : start + IMAGES_AT_ONCE].astype(np.int64)
            given = densities[np.arange(len(own)), np.minimum(own, 9)]
            gaps.append(np.where(own < 10, densities.max(axis=1) - given, NO_FIT))
            distances.append(distance)
        return pd.DataFrame({"label_gap": np.concatenate(gaps), "strangeness": np.concatenate(distances)})

    def agreement(self, images: Images, labels: Labels) -> float:
        """Give the share, 0 to 1, of labels that are the likeliest digit."""
        return float((self._look(images)[0].argmax(axis=1) == labels).mean())

    def drift(self, features: pd.DataFrame) -> pd.DataFrame:
        """Compare each digit's mean features in each split with the usual: ``name`` and ``drift``, in standard deviations."""
        return pd.DataFrame(self._drifts(features), columns=["name", "drift"])

    def _drifts(self, features: pd.DataFrame) -> Iterator[tuple[str, float]]:
        digits = features[features["label"].isin(range(10))]
        means = digits.groupby(["split", "label"], sort=False)[list(SHAPE)].mean()
        for (split, digit), values in zip(means.index.tolist(), means.to_numpy(), strict=True):
            for feature, value in zip(SHAPE, (values - self.usual[digit]) / self.spread[digit], strict=True):
                yield f"{split} digit {digit} {feature}", float(value)

    def _look(self, images: Images) -> tuple[Numbers, Numbers]:
        """Give the logarithm of each digit's density, (N, 10), and the strangeness, (N,)."""
        pixels = images.reshape(len(images), len(self.mean)).astype(np.float32) / 255 - self.mean
        place = pixels @ self.components
        strangeness: Numbers = np.square(pixels).sum(axis=1) - np.square(place).sum(axis=1)
        distances = [
            np.square((place - centre) @ whitening).sum(axis=1)
            for centre, whitening in zip(self.centres, self.whitenings, strict=True)
        ]
        densities: Numbers = self.constants - np.stack(distances, axis=1) / 2
        return densities, strangeness


def load(dataset: str) -> Reference:
    """Read the reference of a data set, or that of MNIST for an unknown one."""
    with np.load(FILE) as arrays:
        known = dataset if is_known(dataset) else DEFAULT
        return Reference(*(arrays[f"{known}.{field.name}"] for field in fields(Reference)))


def is_known(dataset: str) -> bool:
    """Tell whether a data set has a reference of its own."""
    with np.load(FILE) as arrays:
        return f"{dataset}.mean" in arrays
