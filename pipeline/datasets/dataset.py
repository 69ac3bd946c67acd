"""The file ``data/arrays.npz``: what is trained, chosen and tested on, in the shape that Keras wants."""

import hashlib
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import atomic
from pipeline.digits.arrays import Images, Labels
from pipeline.errors import unreadable


@dataclass(frozen=True)
class Dataset:
    """Images (N, 28, 28, 1) and labels (N,) of the three splits, all uint8, and the name of the data set."""

    name: str
    train_images: Images
    train_labels: Labels
    validation_images: Images
    validation_labels: Labels
    test_images: Images
    test_labels: Labels

    @property
    def test_set(self) -> str:
        """Identify the test set."""
        return identity(self.test_images, self.test_labels)


def identity(images: Images, labels: Labels) -> str:
    """Identify images and labels by the first 12 digits of the sha256 of both."""
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()[:12]


def write(path: Path, dataset: Dataset) -> None:
    """Write the arrays uncompressed, equal arrays as equal bytes. Raises PipelineError."""
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = {field.name: np.asarray(getattr(dataset, field.name)) for field in fields(dataset)}
        np.savez(file, **arrays)


def read(path: Path) -> Dataset:
    """Read the arrays. Raises PipelineError when they are not whole."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Dataset(str(arrays["name"]), *(arrays[field.name] for field in fields(Dataset)[1:]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise unreadable(path, error, "`dvc repro reshape`") from error
