"""The stage ``reshape``: three splits that share nothing."""

import numpy as np
import pytest

from pipeline.datasets import dataset, idx, raw
from pipeline.errors import PipelineError
from pipeline.stages import ingest, reshape


@pytest.fixture(scope="module")
def sample() -> raw.RawData:
    files = ingest.sample()
    return raw.RawData("load_digits", *(idx.decode(files[name]) for name in raw.FILES))


@pytest.fixture(scope="module")
def splits(sample: raw.RawData) -> dataset.Dataset:
    return reshape.split(sample, 0.1, seed=1)


def rows(images: np.ndarray, labels: np.ndarray) -> list[bytes]:
    """Give each image with its label as one value."""
    return [image.tobytes() + bytes([label]) for image, label in zip(images, labels, strict=True)]


def test_the_splits_share_no_image_and_lose_none(sample: raw.RawData, splits: dataset.Dataset) -> None:
    train = rows(splits.train_images, splits.train_labels)
    validation = rows(splits.validation_images, splits.validation_labels)
    test = rows(splits.test_images, splits.test_labels)

    assert not set(train) & set(validation)
    assert not set(train + validation) & set(test)
    assert sorted(train + validation) == sorted(rows(sample.train_images, sample.train_labels))
    assert test == rows(sample.test_images, sample.test_labels)


def test_the_share_is_taken_of_every_digit(splits: dataset.Dataset) -> None:
    train, validation = np.bincount(splits.train_labels), np.bincount(splits.validation_labels)

    assert np.abs(validation - (train + validation) * 0.1).max() <= 1


def test_the_seed_decides_on_the_split(sample: raw.RawData, splits: dataset.Dataset) -> None:
    again, other = (reshape.split(sample, 0.1, seed=seed) for seed in (1, 2))

    assert np.array_equal(again.validation_images, splits.validation_images)
    assert not np.array_equal(other.validation_images, splits.validation_images)


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_share_that_leaves_a_split_without_a_digit_is_refused(sample: raw.RawData, share: float) -> None:
    with pytest.raises(PipelineError, match=r"validation_share: 0\.\d+ of 1437 images is \d+, which leaves"):
        reshape.split(sample, share, seed=1)
