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
# These features are compared with the usual ones, digit by digit. The others are the same for all good images.
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
    rows = [(f"{split} digit {digit}", (labels == digit).mean()) for split, labels in splits for digit in range(10)]
    return pd.DataFrame(rows, columns=["name", "share"])


def repetitions(features: pd.DataFrame) -> pd.DataFrame:
    """Find images with the same pixels, except those of one value. Three columns of names, None where there is no such image.

    ``copy_of``: an earlier image of the same split; ``trained_as``: for an image of another split, one of the split ``TRAIN``;
    ``contradicts``: an earlier image with another label.
    """
    inked = features[features["minimum"] != features["maximum"]]
    alike, in_split = inked.groupby("sha256"), inked.groupby(["split", "sha256"])
    trained = inked[inked["split"] == TRAIN].drop_duplicates("sha256").set_index("sha256")["name"]
    named = pd.DataFrame(
        {
            "copy_of": in_split["name"].transform("first").where(in_split.cumcount() > 0),
            "trained_as": inked["sha256"].map(trained).where(inked["split"] != TRAIN),
            "contradicts": alike["name"].transform("first").where(alike["label"].transform("first") != inked["label"]),
        },
        index=features.index,
        dtype=object,
    )
    return named.where(named.notna(), None)


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
    """Find the box of the ink; its size is 0 where there is no ink."""
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
    """Give stroke width, four times the mean distance to paper, and the number of pieces. One tall sheet holds all images."""
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
