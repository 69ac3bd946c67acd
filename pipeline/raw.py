"""The folder ``data/raw/``: four IDX files under MNIST's names, and the name of the data set that they are."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import atomic
from pipeline.digits import idx
from pipeline.errors import PipelineError

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
DATASET = "dataset.json"

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class RawData:
    """A data set as it was published: images (N, 28, 28) and labels (N,), both uint8."""

    dataset: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes


def write(folder: Path, dataset: str, contents: dict[str, bytes]) -> None:
    """Lay the files down in one step: a folder with some of them is never seen. Raises PipelineError."""
    with atomic.replacing(folder) as temporary:
        temporary.mkdir()
        for name, content in contents.items():
            (temporary / name).write_bytes(content)
        (temporary / DATASET).write_text(json.dumps({"name": dataset}) + "\n", encoding="utf-8")


def read(folder: Path) -> RawData:
    """Read the four files. Raises PipelineError for a file that is missing, is not IDX, or does not fit its partner."""
    try:
        dataset = json.loads((folder / DATASET).read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError) as error:
        raise PipelineError(f"{folder / DATASET}: cannot be read: {error}. {_NEXT}") from error
    data = RawData(dataset, *(_read(folder / name) for name in FILES))
    for images, labels, name in (
        (data.train_images, data.train_labels, TRAIN_LABELS),
        (data.test_images, data.test_labels, TEST_LABELS),
    ):
        if images.shape != (len(labels), 28, 28):
            shape = "x".join(map(str, images.shape))
            raise PipelineError(f"{folder / name}: {len(labels)} labels for images of shape {shape}. {_NEXT}")
    return data


def _read(path: Path) -> Bytes:
    try:
        return idx.decode(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PipelineError(f"{path}: {error}. {_NEXT}") from error


_NEXT = "Delete data/raw and run `dvc repro ingest` again."
