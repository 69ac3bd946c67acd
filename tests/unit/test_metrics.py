"""How good answers are said to be, and how sure."""

import numpy as np
import pytest

from pipeline.digits.network import metrics

RANDOM = np.random.default_rng(7)


def logits_of(sharpness: float, images: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose labels were drawn by their own probabilities, made ``sharpness`` times too sure."""
    honest = RANDOM.normal(0, 2, (images, 10))
    chances = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) > RANDOM.random((images, 1))).argmax(axis=1)
    return (honest * sharpness).astype(np.float32), labels.astype(np.uint8)


@pytest.mark.parametrize("sharpness", [0.4, 3.0])
def test_the_temperature_undoes_too_much_and_too_little_confidence(sharpness: float) -> None:
    logits, labels = logits_of(sharpness)

    temperature = metrics.fit_temperature(logits, labels)

    assert temperature == pytest.approx(sharpness, rel=0.08)
    answers, confidence = metrics.answers_and_confidence(logits, temperature)
    raw_answers, raw_confidence = metrics.answers_and_confidence(logits, 1.0)
    assert np.array_equal(answers, raw_answers)
    is_right = answers == labels
    assert metrics.expected_calibration_error(confidence, is_right) < 0.03
    assert metrics.expected_calibration_error(raw_confidence, is_right) > 0.1


def test_the_temperature_stays_1_where_what_helps_one_half_harms_the_other() -> None:
    logits = np.zeros((40, 10), np.float32)
    logits[:, 0] = 4
    labels = np.zeros(40, np.uint8)
    labels[1::4] = labels[3::4] = 1  # the even half is all right, the odd half all wrong

    assert metrics.fit_temperature(logits, labels) == 1.0


def test_the_likelihood_of_certain_and_of_blind_answers() -> None:
    sure = np.full((3, 10), -50, np.float32)
    sure[:, 4] = 50

    assert metrics.negative_log_likelihood(sure, np.full(3, 4, np.uint8)) == pytest.approx(0)
    assert metrics.negative_log_likelihood(np.zeros((3, 10), np.float32), np.zeros(3, np.uint8)) == pytest.approx(np.log(10))


def test_calibration_error_is_the_mean_distance_over_fifteen_bins() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55], np.float32)
    is_right = np.array([True, True, True, False, True, False])

    assert metrics.expected_calibration_error(confidence, is_right) == pytest.approx((4 * 0.2 + 2 * 0.05) / 6, abs=1e-6)
    assert list(metrics.reliability(confidence, is_right)["images"]) == [2, 4]
    assert len(metrics.reliability(np.linspace(0, 1, 1000, dtype=np.float32), np.ones(1000, bool))) == 15


def test_accuracy_at_a_coverage_leaves_out_the_least_sure() -> None:
    confidence = np.linspace(1, 0.5, 100, dtype=np.float32)
    is_right = np.ones(100, bool)
    is_right[[10, 98, 99]] = False

    assert metrics.accuracy_at_coverage(confidence, is_right, 0.98) == pytest.approx(97 / 98)
    assert metrics.accuracy_at_coverage(confidence, is_right, 0.10) == 1


def test_the_interval_holds_the_share_and_is_narrower_with_more_images() -> None:
    low, high = metrics.interval(9960, 10000)

    assert low == pytest.approx(0.99456, abs=1e-4)
    assert high == pytest.approx(0.99706, abs=1e-4)
    assert metrics.interval(100, 100)[0] < 0.97


def test_precision_and_recall_of_each_digit() -> None:
    table = metrics.by_class(np.array([0, 0, 1, 1, 1, 1], np.uint8), np.array([0, 1, 1, 1, 1, 2]))

    assert list(table["digit"]) == list(range(10))
    assert list(table["recall"][:3]) == [0.5, 0.75, 0]
    assert list(table["precision"][:3]) == [1, 0.75, 0]
