"""The gate: which model may be registered, and which may be champion."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.params import Bounds
from pipeline.registry import gate
from pipeline.registry.gate import Answers, Contender, Pairs, Verdict

BOUNDS = Bounds(
    minimum_accuracy=0.98,
    minimum_recall=0.95,
    maximum_calibration_error=0.02,
    minimum_slice_accuracy=0.9,
    maximum_bytes=500_000,
)
ACTUAL = np.arange(1000) % 10


def metrics(**changes: Any) -> dict[str, Any]:
    measured = {"accuracy": 0.985, "min_recall": 0.96, "ece": 0.01, "worst_accuracy": 0.92, "model_bytes": 140_000}
    return {"dataset": "mnist", "test_set": "abc", "worst_slice": "blurred", **measured, **changes}


def answers(*wrong: int) -> Answers:
    """Give the answers of a model that reads all but some test images right."""
    answered = ACTUAL.copy()
    answered[list(wrong)] = (answered[list(wrong)] + 1) % 10
    return Answers(ACTUAL, answered)


def compare(new: Answers, old: Answers | None, **changes: Any) -> gate.Comparison:
    return gate.compare(metrics(), new, Contender("v1.0.0", metrics(**changes), old), BOUNDS, 0.05)


def test_a_model_that_keeps_every_bound_passes() -> None:
    assert all(check.passed for check in gate.check(metrics(), BOUNDS))


def test_a_model_on_the_bounds_passes() -> None:
    on = {"accuracy": 0.98, "min_recall": 0.95, "ece": 0.02, "worst_accuracy": 0.9, "model_bytes": 500_000}

    assert all(check.passed for check in gate.check(metrics(**on), BOUNDS))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accuracy": 0.97}, "accuracy 0.9700, at least 0.9800: missed by 0.0100"),
        ({"min_recall": 0.9}, "smallest recall 0.9000, at least 0.9500: missed by 0.0500"),
        ({"ece": 0.03}, "calibration error 0.0300, at most 0.0200: missed by 0.0100"),
        ({"worst_accuracy": 0.8}, "worst slice (blurred) 0.8000, at least 0.9000: missed by 0.1000"),
        ({"model_bytes": 600_000}, "bytes of model.tflite 600,000, at most 500,000: missed by 100,000"),
        ({"accuracy": float("nan")}, "accuracy nan, at least 0.9800: missed by nan"),
    ],
)
def test_a_missed_bound_is_named_with_its_distance(change: dict[str, Any], words: str) -> None:
    missed = [str(check) for check in gate.check(metrics(**change), BOUNDS) if not check.passed]

    assert missed == [words]


@pytest.mark.parametrize("name", ["accuracy", "min_recall", "ece", "worst_accuracy", "model_bytes"])
def test_a_metric_that_was_not_measured_keeps_no_bound(name: str) -> None:
    measured = metrics()
    del measured[name]

    assert sum(not check.passed for check in gate.check(measured, BOUNDS)) == 1


def test_a_verdict_lists_every_bound_value_distance_and_outcome() -> None:
    verdict = Verdict("mnist", "abc", gate.check(metrics(ece=0.03), BOUNDS)).as_json()

    assert verdict["checks"][:3] == [
        {"name": "accuracy", "kind": "minimum", "value": 0.985, "bound": 0.98, "distance": 0.005, "outcome": "passed"},
        {"name": "smallest recall", "kind": "minimum", "value": 0.96, "bound": 0.95, "distance": 0.01, "outcome": "passed"},
        {"name": "calibration error", "kind": "maximum", "value": 0.03, "bound": 0.02, "distance": -0.01, "outcome": "missed"},
    ]
    assert len(verdict["words"].splitlines()) == 6


def test_the_first_model_becomes_champion() -> None:
    assert gate.compare(metrics(), answers(), None, BOUNDS, 0.05).promotes


@pytest.mark.parametrize(
    ("new", "old", "outcome", "p"),
    [
        (range(10), range(20), "better", 2 / 2**10),
        (range(5), range(11), "better", 2 / 2**6),
        (range(5), range(10), "luck", 2 / 2**5),
        (range(10), range(10), "tie", 1.0),
        (range(10), range(10, 20), "tie", 1.0),
        (range(11), range(10), "worse", 1.0),
        (range(20), range(10), "worse", 2 / 2**10),
    ],
)
def test_a_model_beats_the_champion_by_more_than_luck_or_not_at_all(new: range, old: range, outcome: str, p: float) -> None:
    comparison = compare(answers(*new), answers(*old))

    assert comparison.outcome == outcome
    assert comparison.promotes == (outcome == "better")
    assert comparison.pairs
    assert comparison.pairs.p == pytest.approx(p)


MORE, SAME, LESS = Pairs(200, 20, 5, 0.0041), Pairs(200, 6, 5, 1.0), Pairs(200, 5, 20, 0.0041)


@pytest.mark.parametrize(
    ("new", "old", "own", "outcome"),
    [
        (range(10), range(20), MORE, "better"),
        (range(10), range(20), SAME, "better"),
        (range(10), range(20), LESS, "mixed"),
        (range(10), range(10), MORE, "better"),
        (range(12), range(10), MORE, "better"),
        (range(10), range(10), SAME, "luck"),
        (range(12), range(10), SAME, "worse"),
        (range(10), range(10), LESS, "worse"),
        (range(20), range(10), MORE, "mixed"),
        (range(20), range(10), SAME, "worse"),
        (range(20), range(10), LESS, "worse"),
    ],
)
def test_a_model_that_is_better_on_one_test_set_and_not_worse_on_the_other_beats_the_champion(
    new: range, old: range, own: Pairs, outcome: str
) -> None:
    champion = Contender("v1.0.0", metrics(), answers(*old))

    comparison = gate.compare(metrics(), answers(*new), champion, BOUNDS, 0.05, own)

    assert comparison.outcome == outcome
    assert comparison.promotes == (outcome == "better")
    assert f"of 200 own scans {own.first_alone} and {own.second_alone} (McNemar" in comparison.reason
    assert f" and {own.p:.4f}; better needs" in comparison.reason
    assert f"own scans {own.p:.4f})" in comparison.summary


def test_more_right_answers_among_many_that_differ_are_luck() -> None:
    comparison = compare(answers(*range(100, 160)), answers(*range(200, 275)))

    assert comparison.pairs
    assert (comparison.pairs.first_alone, comparison.pairs.second_alone) == (75, 60)
    assert comparison.outcome == "luck"


@pytest.mark.parametrize("change", [{"dataset": "load_digits"}, {"test_set": "xyz"}])
def test_a_model_tested_on_something_else_is_never_compared(change: dict[str, Any]) -> None:
    comparison = compare(answers(), answers(*range(500)), **change)

    assert comparison.outcome == "incomparable"
    assert not comparison.promotes
    assert "not comparable" in comparison.reason


@pytest.mark.parametrize(
    ("old", "promotes", "words"),
    [({}, False, "and keeps them"), ({"accuracy": 0.9}, True, "of which it misses: accuracy 0.9000")],
)
def test_a_champion_without_predictions_is_held_to_the_bounds_alone(old: dict[str, Any], promotes: bool, words: str) -> None:
    comparison = compare(answers(), None, **old)

    assert comparison.outcome == "by bounds"
    assert comparison.promotes == promotes
    assert "the predictions of v1.0.0 are nowhere to be had" in comparison.reason
    assert words in comparison.reason


def test_an_old_champion_is_not_displaced_for_what_was_not_measured_then() -> None:
    old = {"dataset": "mnist", "test_set": "abc", "accuracy": 0.99, "min_recall": 0.97}

    assert not gate.compare(metrics(), answers(), Contender("v1.0.0", old, None), BOUNDS, 0.05).promotes


def test_predictions_of_other_images_are_not_paired() -> None:
    other = Answers(ACTUAL[::-1], ACTUAL[::-1])

    assert not compare(answers(), other).promotes


def test_asked_to_ask_the_gate_promotes_nothing_and_says_how() -> None:
    better = gate.ask(compare(answers(), answers(*range(20))), "v1.1.0")

    assert (better.outcome, better.promotes) == ("better", False)
    assert "`digits promote v1.1.0`" in better.reason


def test_answers_are_read_from_what_evaluate_wrote() -> None:
    table = pd.DataFrame(np.eye(10)[[3, 7]], columns=[f"logit_{digit}" for digit in range(10)])
    table.insert(0, "image", [0, 1])
    table.insert(1, "actual", [3, 1])

    found = Answers.of_csv(table.to_csv(index=False).encode())

    assert (found.actual.tolist(), found.answered.tolist()) == ([3, 1], [3, 7])
