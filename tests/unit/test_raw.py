"""IDX files, and the folder of four of them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.datasets import idx, raw
from pipeline.errors import PipelineError


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4)))
def test_an_array_comes_back_as_it_went(array: np.ndarray) -> None:
    assert np.array_equal(idx.decode(idx.encode(array)), array)


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(max_dims=3, max_side=5)),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 255)), max_size=2),
    st.integers(-2, 2),
)
def test_a_damaged_file_is_another_array_or_a_value_error(
    array: np.ndarray, changes: list[tuple[int, int]], longer: int
) -> None:
    content = bytearray(idx.encode(array))
    for place, value in changes:
        content[place % len(content)] = value
    damaged = bytes(content[:longer] if longer < 0 else content + b"\0" * longer)

    try:
        decoded = idx.decode(damaged)
    except ValueError as error:
        assert damaged != idx.encode(array)
        assert str(error)
    else:
        assert idx.encode(decoded) == damaged


@pytest.mark.parametrize("length", [0, 3, 4, 10, 15, 16 + 27 * 28])
def test_a_truncated_file_is_refused(length: int) -> None:
    whole = idx.encode(np.zeros((1, 28, 28), np.uint8))

    with pytest.raises(ValueError, match=r"begins with|cut off|do not fit"):
        idx.decode(whole[:length])


def contents(images: int = 3, labels: int = 3) -> dict[str, bytes]:
    return {
        raw.TRAIN_IMAGES: idx.encode(np.ones((images, 28, 28), np.uint8)),
        raw.TRAIN_LABELS: idx.encode(np.ones(labels, np.uint8)),
        raw.TEST_IMAGES: idx.encode(np.zeros((2, 28, 28), np.uint8)),
        raw.TEST_LABELS: idx.encode(np.zeros(2, np.uint8)),
    }


def test_the_four_files_come_back_with_their_name(tmp_path: Path) -> None:
    raw.write(tmp_path / "raw", "load_digits", contents())

    data = raw.read(tmp_path / "raw")

    assert data.dataset == "load_digits"
    assert data.train_images.shape == (3, 28, 28)
    assert data.test_labels.tolist() == [0, 0]


def test_labels_that_are_too_many_are_named(tmp_path: Path) -> None:
    raw.write(tmp_path / "raw", "mnist", contents(images=2, labels=3))

    with pytest.raises(PipelineError, match=r"train-labels.*3 labels for images of shape 2x28x28"):
        raw.read(tmp_path / "raw")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    raw.write(tmp_path / "raw", "mnist", contents())
    (tmp_path / "raw" / raw.TEST_IMAGES).unlink()

    with pytest.raises(PipelineError, match=raw.TEST_IMAGES):
        raw.read(tmp_path / "raw")
