"""The folder ``data/raw/``: four IDX files under MNIST's names, and the name of the data set that they are."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import atomic
from pipeline.datasets import idx
from pipeline.digits.arrays import Images, Labels
from pipeline.errors import PipelineError, unreadable

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
PAIRS = ((TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS))
SHAPES: dict[str, tuple[int, ...]] = {TRAIN_IMAGES: (28, 28), TRAIN_LABELS: (), TEST_IMAGES: (28, 28), TEST_LABELS: ()}
DATASET = "dataset.json"


@dataclass(frozen=True)
class RawData:
    """A data set as it was published: images (N, 28, 28) and labels (N,), both uint8."""

    dataset: str
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels


@dataclass(frozen=True)
class Faults:
    """What is wrong with the file ``name``, in words, or None.

    ``not_idx``: it has no IDX header; ``misfit``: its length does not fit its header; ``odd_shape``: its content is not 28x28
    images, or not labels; ``unpaired``: there are more or fewer labels than images.
    """

    name: str
    not_idx: str | None = None
    misfit: str | None = None
    odd_shape: str | None = None
    unpaired: str | None = None

    @property
    def is_broken(self) -> bool:
        """Tell whether anything is wrong with it."""
        return self != Faults(self.name)


def write(folder: Path, dataset: str, contents: dict[str, bytes]) -> None:
    """Write the files in one step, so that nobody sees a folder with some of them. Raises PipelineError."""
    with atomic.replacing(folder) as temporary:
        temporary.mkdir()
        for name, content in contents.items():
            (temporary / name).write_bytes(content)
        (temporary / DATASET).write_text(json.dumps({"name": dataset}) + "\n", encoding="utf-8")


def inspect(folder: Path) -> list[Faults]:
    """Look at the four files, and tell what is wrong with each. Raises PipelineError for a file that cannot be read."""
    faults, counts = {}, {}
    for name in FILES:
        content = _content(folder / name)
        try:
            shape = idx.read_shape(content)
        except ValueError as error:
            faults[name] = Faults(name, not_idx=str(error))
            continue
        counts[name] = shape[0] if shape else 0
        is_odd = shape[1:] != SHAPES[name]
        faults[name] = Faults(
            name,
            misfit=idx.misfit(content, shape) or None,
            odd_shape=f"its shape is {'x'.join(map(str, shape))}" if is_odd else None,
        )
    for images, labels in PAIRS:
        if {images, labels} <= counts.keys() and counts[images] != counts[labels]:
            faults[labels] = replace(faults[labels], unpaired=f"{counts[labels]} labels for {counts[images]} images")
    return list(faults.values())


def read(folder: Path) -> RawData:
    """Read the four files. Raises PipelineError for a file that is missing, is not IDX, or does not fit its partner."""
    data = RawData(read_dataset(folder), *(_read(folder / name) for name in FILES))
    for images, labels, name in (
        (data.train_images, data.train_labels, TRAIN_LABELS),
        (data.test_images, data.test_labels, TEST_LABELS),
    ):
        if images.shape != (len(labels), 28, 28):
            shape = "x".join(map(str, images.shape))
            raise PipelineError(f"{folder / name}: {len(labels)} labels for images of shape {shape}. {_NEXT}")
    return data


def read_dataset(folder: Path) -> str:
    """Read the name of the data set. Raises PipelineError."""
    try:
        return str(json.loads((folder / DATASET).read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(folder / DATASET, error, "`dvc repro ingest`") from error


def _read(path: Path) -> Images:
    try:
        return idx.decode(_content(path))
    except ValueError as error:
        raise PipelineError(f"{path}: {error}. {_NEXT}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error, "`dvc repro ingest`") from error


_NEXT = "Delete data/raw and run `dvc repro ingest` again."
