"""The file ``data/own.npz``: a user's own labelled scans, normalised, and what each is used for."""

import math
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import atomic
from pipeline.datasets.dataset import identity
from pipeline.digits.arrays import Images, Labels
from pipeline.errors import unreadable

TRAIN, VALIDATION, TEST, NO_DIGIT = range(4)
# The label of what shows no digit, which nothing is trained on: how often that is doubted is measured.
LABEL_OF_NONE = 10
# Keys are from 0 to this.
KEYS = 2**32


@dataclass(frozen=True)
class Own:
    """Scans: ``images`` (N, 28, 28, 1) and ``labels`` (N,), both uint8.

    ``keys`` (N,) uint32: the same for pictures that are the same to the pixel; ``parts`` (N,) uint8: TRAIN, VALIDATION,
    TEST or NO_DIGIT.
    ``is_odd``, ``is_cut`` (N,) bool: whether a picture is unlike a digit, and whether a stroke of it runs to the border;
    ``traits`` (N, 7) float16: what batches of them are compared by.
    """

    images: Images
    labels: Labels
    keys: npt.NDArray[np.uint32]
    parts: npt.NDArray[np.uint8]
    is_odd: npt.NDArray[np.bool_]
    is_cut: npt.NDArray[np.bool_]
    traits: npt.NDArray[np.float16]

    def part(self, part: int) -> "Own":
        """Give a part of them."""
        return Own(*(getattr(self, field.name)[self.parts == part] for field in fields(self)))

    def as_share(self, share: float, others: int, most_times: float = math.inf) -> tuple[Images, Labels]:
        """Give images and labels, repeated or left out evenly, as a ``share``, 0 to 1, of these and ``others`` together.

        None is repeated more than ``most_times``.
        """
        count = int(min(round(others * share / (1 - share)), most_times * len(self.labels))) if len(self.labels) else 0
        chosen = np.arange(count) * len(self.labels) // max(count, 1)
        return self.images[chosen], self.labels[chosen]

    @property
    def test_set(self) -> str:
        """Identify the scans that are never trained on; an empty text where there are none."""
        tests = self.part(TEST)
        return identity(tests.images, tests.labels) if len(tests.labels) else ""


_EMPTY = np.empty(0, np.uint8)
NONE = Own(
    np.empty((0, 28, 28, 1), np.uint8),
    _EMPTY,
    _EMPTY.astype(np.uint32),
    _EMPTY,
    _EMPTY.astype(np.bool_),
    _EMPTY.astype(np.bool_),
    np.empty((0, 7), np.float16),
)


def parts_of(keys: npt.NDArray[np.uint32], test_share: float, validation_share: float) -> npt.NDArray[np.uint8]:
    """Choose a part for each key, always the same. ``validation_share`` is of what is no test, both are from 0 to 1."""
    place = keys / KEYS
    is_validation = place < test_share + (1 - test_share) * validation_share
    return np.where(place < test_share, TEST, np.where(is_validation, VALIDATION, TRAIN)).astype(np.uint8)


def write(path: Path, own: Own) -> None:
    """Write the arrays uncompressed, equal arrays as equal bytes. Raises PipelineError."""
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = {field.name: getattr(own, field.name) for field in fields(own)}
        np.savez(file, **arrays)


def read(path: Path) -> Own:
    """Read the arrays. Raises PipelineError when they are not whole."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Own(*(arrays[field.name] for field in fields(Own)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise unreadable(path, error, "`dvc repro collect`") from error
