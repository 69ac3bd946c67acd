"""Which labels are called wrong, and in what order."""

import numpy as np
import pytest

from pipeline.quality import label_errors


def answers(count: int, seed: int, right: float = 0.97) -> tuple[np.ndarray, np.ndarray]:
    """Give digits, and the probabilities of a model that is sure, and that reads a share of them right."""
    random = np.random.default_rng(seed)
    digits = random.integers(0, 10, count).astype(np.uint8)
    read = np.where(random.random(count) < right, digits, random.integers(0, 10, count))
    probabilities = random.uniform(0, 0.02, (count, 10))
    probabilities[np.arange(count), read] = random.uniform(0.7, 1.0, count)
    return digits, (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)


def changed(digits: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    chosen = random.choice(len(digits), round(share * len(digits)), replace=False)
    labels = digits.copy()
    labels[chosen] = (labels[chosen] + random.integers(1, 10, len(chosen))) % 10
    return labels, chosen


@pytest.mark.parametrize("is_suited", [False, True])
def test_labels_that_were_changed_come_first_and_are_called_wrong(*, is_suited: bool) -> None:
    digits, probabilities = answers(1000, 0)
    labels, chosen = changed(digits, 0.05, 1)

    found = label_errors.find(labels, label_errors.suited(labels, probabilities) if is_suited else probabilities)

    assert np.isin(chosen, found.order[: 2 * len(chosen)]).mean() > 0.95
    called = np.flatnonzero(found.is_likely_wrong)
    read_wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    assert np.isin(chosen, called).mean() > 0.8
    assert np.isin(called, read_wrong).mean() > 0.95
    assert found.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_digits_that_no_label_has_do_not_disturb() -> None:
    digits, probabilities = answers(400, 2, right=1.0)
    few = np.isin(digits, (1, 7))
    labels = digits[few].copy()
    labels[:3] = np.where(labels[:3] == 1, 7, 1)

    found = label_errors.find(labels, label_errors.suited(labels, probabilities[few]))

    assert sorted(found.order[:3].tolist()) == [0, 1, 2]
    assert found.is_likely_wrong[:3].all()
    assert found.is_likely_wrong.sum() == 3


@pytest.mark.parametrize("labels", [[3], [3, 3], [1, 2, 3]])
def test_a_few_labels_are_only_put_in_order(labels: list[int]) -> None:
    known = np.array(labels, np.uint8)
    probabilities = np.full((len(labels), 10), 0.01, np.float32)
    probabilities[np.arange(len(labels)), known] = 0.9
    probabilities[-1] = np.eye(10)[9]

    found = label_errors.find(known, label_errors.suited(known, probabilities))

    assert found.order[0] == len(labels) - 1
    assert not found.is_likely_wrong.any()
