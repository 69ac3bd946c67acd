"""One row of numbers for each image: what expectations are written about."""

import hashlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.digits.arrays import Doubles, Images, Labels

TRAIN = "train"
HALF_DARK = 128
LIGHT, FULL = 32, 224
# This many images are measured together; more are no faster and take more memory.
TOGETHER = 1000
# These features are compared by digit with the usual ones. The others are the same for all good images.
SHAPE = (
    "ink",
    "mean",
    "left",
    "top",
    "width",
    "height",
    "centre_x",
    "centre_y",
    "stroke",
    "parts",
    "slant",
    "asymmetry_x",
    "asymmetry_y",
    "grey",
)

Integers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


def image_features(images: Images, labels: Labels, split: str, names: Sequence[str]) -> pd.DataFrame:
    """Describe images, light ink on black, by a table with a row for each.

    ``images``: (N, 28, 28) uint8; ``labels``: (N,) uint8. Columns:

    - ``name``, ``split``, ``label``
    - ``ink``, the share of pixels of at least 128; ``mean``, ``minimum``, ``maximum``, of all pixels; ``border``, the mean of
      the outermost ring; ``grey``, the share of the ink that is neither light nor full, which blurring raises
    - ``left``, ``top``, ``width``, ``height`` of the box of pixels of at least 128; ``centre_x``, ``centre_y``, of mass; all
      in pixels from the first
    - ``stroke``, its width in pixels; ``parts``, the connected pieces of ink; ``slant``, columns to the left for each row down
    - ``asymmetry_x``, ``asymmetry_y``: the skewness of the ink, positive for a long tail to the right, or down
    - ``sha256`` of the pixels
    """
    groups = [_measured(images[start : start + TOGETHER]) for start in range(0, max(1, len(images)), TOGETHER)]
    columns: dict[str, Any] = {name: np.concatenate([group[name] for group in groups]) for name in groups[0]}
    return pd.DataFrame(
        {
            "name": list(names),
            "split": split,
            "label": labels.astype(np.int64),
            **columns,
            "sha256": [hashlib.sha256(image.tobytes()).hexdigest() for image in images],
        }
    )


def class_shares(features: pd.DataFrame) -> pd.DataFrame:
    """Count the digits of each split: ``name`` (such as ``train digit 3``) and ``share`` of the split's images, 0 to 1."""
    splits = features.groupby("split", sort=False)["label"]
    return pd.DataFrame(
        [
            {"name": f"{split} digit {digit}", "share": float((labels == digit).mean())}
            for split, labels in splits
            for digit in range(10)
        ],
        columns=["name", "share"],
    )


def repetitions(features: pd.DataFrame) -> pd.DataFrame:
    """Find images with the same pixels, which are not all of one value. Three columns of names, None where there is none.

    ``copy_of``: an earlier one of the same split; ``trained_as``: one of the split ``TRAIN``, for those of the others;
    ``contradicts``: an earlier one with another label.
    """
    pixels, splits = (pd.factorize(features[column])[0].astype(np.int64) for column in ("sha256", "split"))
    labels, places = features["label"].to_numpy(), np.arange(len(features))
    is_empty = (features["minimum"] == features["maximum"]).to_numpy()
    is_trained = (features["split"] == TRAIN).to_numpy()
    earlier = _first(np.where(is_empty, -1, pixels))
    in_split = _first(np.where(is_empty, -1, pixels + splits * len(features)))
    trained = _first(np.where(is_empty | is_trained, -1, pixels), among=np.where(is_trained, pixels, -1))
    return pd.DataFrame(
        {
            "copy_of": _named(features, np.where(in_split != places, in_split, -1)),
            "trained_as": _named(features, trained),
            "contradicts": _named(features, np.where(labels[earlier] != labels, earlier, -1)),
        },
        index=features.index,
        dtype=object,
    )


def _first(keys: Integers, among: Integers | None = None) -> Integers:
    """Give the place of the first of ``among`` with the same key, -1 where there is none and for the key -1."""
    known, places = np.unique(keys if among is None else among, return_index=True)
    if not len(known):
        return np.full(len(keys), -1)
    nearest = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where((known[nearest] == keys) & (keys >= 0), places[nearest], -1)


def _named(features: pd.DataFrame, places: Integers) -> Objects:
    """Give the names at these places, None for -1."""
    names = np.full(len(places), None, object)
    names[places >= 0] = features["name"].to_numpy(object)[places[places >= 0]]
    return names


def _measured(images: Images) -> dict[str, npt.NDArray[Any]]:
    """Measure (N, 28, 28) uint8: each feature (N,)."""
    dark = images >= HALF_DARK
    area, inked = dark.sum(axis=(1, 2)), (images >= LIGHT).sum(axis=(1, 2))
    ring = np.ones(images.shape[1:], bool)
    ring[1:-1, 1:-1] = False
    return {
        "ink": dark.mean(axis=(1, 2)),
        "mean": images.mean(axis=(1, 2)),
        "minimum": images.min(axis=(1, 2)).astype(np.int64),
        "maximum": images.max(axis=(1, 2)).astype(np.int64),
        "border": images[:, ring].mean(axis=1),
        "grey": ((images >= LIGHT) & (images < FULL)).sum(axis=(1, 2)) / np.maximum(inked, 1),
        **_boxes(dark),
        **_moments(images),
        **_strokes(dark, area),
    }


def _boxes(dark: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.int64]]:
    """Find the box of the ink: of no size where there is none."""
    boxes = {}
    for axis, place, size in ((1, "left", "width"), (2, "top", "height")):
        used = np.any(dark, axis=axis)
        boxes[place] = used.argmax(axis=1)
        boxes[size] = np.where(used.any(axis=1), used.shape[1] - boxes[place] - used[:, ::-1].argmax(axis=1), 0)
    return boxes


def _moments(images: Images) -> dict[str, Doubles]:
    """Give centre of mass, slant and skewness: those of a blank image are 0."""
    rows, columns = np.mgrid[: images.shape[1], : images.shape[2]].astype(np.float64)
    powers = (np.ones_like(rows), columns, rows, columns**2, rows * columns, rows**2, columns**3, rows**3)
    sums = images.reshape(len(images), rows.size).astype(np.float64) @ np.stack([power.ravel() for power in powers], axis=1)
    _, x, y, xx, xy, yy, xxx, yyy = (sums / np.maximum(sums[:, :1], 1)).T
    across, down = np.maximum(xx - x**2, 1e-6), np.maximum(yy - y**2, 1e-6)
    return {
        "centre_x": x,
        "centre_y": y,
        "slant": -(xy - x * y) / down,
        "asymmetry_x": (xxx - 3 * x * xx + 2 * x**3) / across**1.5,
        "asymmetry_y": (yyy - 3 * y * yy + 2 * y**3) / down**1.5,
    }


def _strokes(dark: npt.NDArray[np.bool_], area: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    """Give stroke width, four times the mean distance to paper, and the number of pieces: all images in one tall sheet."""
    count, height, width = dark.shape
    tiles = np.zeros((count, height + 2, width + 2), np.uint8)
    tiles[:, 1:-1, 1:-1] = dark
    sheet = tiles.reshape(-1, width + 2)
    if not count:
        return {"stroke": np.empty(0), "parts": np.empty(0, np.int64)}
    distances = cv2.distanceTransform(sheet, cv2.DIST_L2, 3).reshape(count, -1).sum(axis=1)
    _, _, pieces, _ = cv2.connectedComponentsWithStats(sheet, connectivity=8)
    return {
        "stroke": 4 * distances / np.maximum(area, 1),
        "parts": np.bincount(pieces[1:, cv2.CC_STAT_TOP] // (height + 2), minlength=count),
    }
