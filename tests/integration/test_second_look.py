"""The second look at digits that were not read surely, with a trained model."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pipeline.datasets import dataset
from pipeline.digits.arrays import Floats
from pipeline.digits.network.model import probabilities
from pipeline.digits.network.second_look import SURE, look_again
from pipeline.stages import evaluate
from tests.conftest import Project


class Reader:
    """A trained model, and test images that are slanted more than it has seen."""

    def __init__(self, project: Project) -> None:
        self.classifier, self.temperature = evaluate.load(project.root / "models/digit-cnn")
        data = dataset.read(project.root / "data/arrays.npz")
        slant = np.array([[1, 0.3, -0.3 * 13.5], [0, 1, 0]])
        slanted = [cv2.warpAffine(image, slant, (28, 28)) for image in data.test_images]
        self.images, self.labels = np.stack(slanted)[..., np.newaxis], data.test_labels
        self.logits = self.classifier.logits(self.images)
        self.is_sure = probabilities(self.logits, self.temperature).max(axis=1) >= SURE

    def look_again(self, which: npt.NDArray[np.int64]) -> Floats:
        return look_again(self.classifier, self.images[which], self.logits[which], self.temperature)


@pytest.fixture(scope="module")
def reader(trained_project: Project) -> Reader:
    return Reader(trained_project)


def test_more_slanted_digits_are_read_right_at_the_second_look(reader: Reader) -> None:
    again = reader.look_again(np.arange(len(reader.images)))

    first, second = ((logits.argmax(axis=1) == reader.labels).mean() for logits in (reader.logits, again))
    assert second > first + 0.005, (first, second)


def test_what_was_read_surely_stays_as_it_is_and_a_doubt_stays_one(reader: Reader) -> None:
    again = reader.look_again(np.arange(len(reader.images)))

    assert 0 < reader.is_sure.sum() < len(reader.images)
    np.testing.assert_array_equal(again[reader.is_sure], reader.logits[reader.is_sure])
    assert (probabilities(again, reader.temperature)[~reader.is_sure].max(axis=1) < SURE).all()


def test_an_answer_does_not_depend_on_what_else_is_read(reader: Reader) -> None:
    everything = reader.look_again(np.arange(len(reader.images)))

    some = np.flatnonzero(~reader.is_sure)[::-3]
    np.testing.assert_array_equal(reader.look_again(some), everything[some])


def test_nothing_is_looked_at_where_all_is_sure(reader: Reader) -> None:
    for which in (np.flatnonzero(reader.is_sure), np.empty(0, np.int64)):
        np.testing.assert_array_equal(reader.look_again(which), reader.logits[which])
