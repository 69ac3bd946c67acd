"""One row of numbers for each image: what expectations are written about."""

import numpy as np
import numpy.typing as npt
import pandas as pd

HALF_DARK = 128


def image_features(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], split: str) -> pd.DataFrame:
    """Describe images, light ink on black, by a table with a row for each.

    ``images``: (N, 28, 28) uint8; ``labels``: (N,) uint8. Columns: ``name`` (such as ``train/17``), ``split``,
    ``label``, ``ink`` (share of pixels of at least 128), ``peak`` (the largest value), ``border`` (mean of the outermost
    ring of pixels).
    """
    ring = np.ones(images.shape[1:], bool)
    ring[1:-1, 1:-1] = False
    return pd.DataFrame(
        {
            "name": [f"{split}/{index}" for index in range(len(images))],
            "split": split,
            "label": labels.astype(np.int64),
            "ink": (images >= HALF_DARK).mean(axis=(1, 2)),
            "peak": images.max(axis=(1, 2)).astype(np.int64),
            "border": images[:, ring].mean(axis=1),
        }
    )


def class_shares(features: pd.DataFrame) -> pd.DataFrame:
    """Count the digits of each split: ``name`` (such as ``train digit 3``) and ``share`` of the split's images, 0 to 1."""
    splits = features.groupby("split")["label"]
    return pd.DataFrame(
        [
            {"name": f"{split} digit {digit}", "share": float((labels == digit).mean())}
            for split, labels in splits
            for digit in range(10)
        ]
    )
