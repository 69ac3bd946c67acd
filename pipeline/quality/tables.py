"""From a data set to the tables that expectations are about: images, classes, splits, orientations and features."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.digits.arrays import Images, Labels
from pipeline.digits.field import MIDDLE
from pipeline.digits.pictures import features
from pipeline.quality.reference import Reference

# So many images of a split, evenly spread, are enough to tell how all of them are turned.
LOOKED_AT = 1000

Undo = Callable[[Images], Images]

# What may have been done to images, and what undoes it.
UNDO: dict[str, Undo] = {
    "mirrored left to right": lambda images: images[:, :, ::-1],
    "mirrored top to bottom": lambda images: images[:, ::-1],
    "transposed": lambda images: images.transpose(0, 2, 1),
    "rotated by 90° to the left": lambda images: np.rot90(images, -1, (1, 2)),
    "rotated by 180°": lambda images: np.rot90(images, 2, (1, 2)),
    "rotated by 90° to the right": lambda images: np.rot90(images, 1, (1, 2)),
    "transposed on the other diagonal": lambda images: np.rot90(images, 2, (1, 2)).transpose(0, 2, 1),
}


@dataclass(frozen=True)
class Split:
    """A part of a data set: images (N, 28, 28) uint8, labels (N,) uint8, and the names of the images where they have any."""

    name: str
    images: Images
    labels: Labels
    names: list[str] | None = None

    @property
    def image_names(self) -> list[str]:
        """Give the names of the images, or names such as ``train/17`` where they have none."""
        return self.names or [f"{self.name}/{index}" for index in range(len(self.images))]


@dataclass(frozen=True)
class Tables:
    """The tables, each with a column ``name`` that names its rows.

    ``images``: the columns of ``features.image_features``, ``label_gap`` and ``strangeness`` of the reference, and
    ``off_centre``, pixels from the middle to the centre of mass. ``classes``: ``share`` of a digit. ``splits``: the number of
    ``images``, how many of the published ones are ``missing``, and the ``largest`` pixel. ``orientations``: ``gain``, the
    largest first. ``drift``: the strongest first.
    """

    images: pd.DataFrame
    classes: pd.DataFrame
    splits: pd.DataFrame
    orientations: pd.DataFrame
    drift: pd.DataFrame


def describe(splits: list[Split], reference: Reference, counts: dict[str, int]) -> Tables:
    """Make the tables. ``counts``: how many images each split of this data set was published with, where that is known."""
    described = [features.image_features(one.images, one.labels, one.name, one.image_names) for one in splits]
    measured = [reference.measure(one.images, one.labels) for one in splits]
    images = pd.concat(described, ignore_index=True).join(pd.concat(measured, ignore_index=True))
    images["off_centre"] = np.maximum((images["centre_x"] - MIDDLE).abs(), (images["centre_y"] - MIDDLE).abs())
    images = images.join(features.repetitions(images))
    sizes = [(split.name, len(split.images), int(split.images.max(initial=0))) for split in splits]
    parts = pd.DataFrame(sizes, columns=["name", "images", "largest"])
    gains = pd.DataFrame([row for split in splits for row in _orientations(split, reference)], columns=["name", "gain"])
    return Tables(
        images=images,
        classes=features.class_shares(images),
        splits=parts.assign(missing=[counts.get(name, found) - found for name, found, _ in sizes]),
        orientations=gains.sort_values("gain", ascending=False, ignore_index=True),
        drift=reference.drift(images).sort_values("drift", key=abs, ascending=False, ignore_index=True),
    )


def _orientations(split: Split, reference: Reference) -> Iterator[tuple[str, float]]:
    """Give, for each way to turn images, how many more labels fit when it is undone, as a share from 0 to 1."""
    step = max(1, len(split.images) // LOOKED_AT)
    images, labels = split.images[::step], split.labels[::step]
    if len(images):
        as_they_are = reference.agreement(images, labels)
        for name, undo in UNDO.items():
            yield f"{split.name} {name}", reference.agreement(undo(images), labels) - as_they_are
