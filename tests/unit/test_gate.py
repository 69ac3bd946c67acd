"""The gate: which model may be registered, and which may be champion."""

from typing import Any

import pytest

from pipeline import gate
from pipeline.params import Bounds

BOUNDS = Bounds(minimum_accuracy=0.98, minimum_recall=0.95)


def metrics(**changes: Any) -> dict[str, Any]:
    return {"dataset": "mnist", "test_set": "abc", "accuracy": 0.985, "min_recall": 0.96, **changes}


def test_a_model_that_keeps_every_bound_passes() -> None:
    assert all(check.passed for check in gate.check(metrics(), BOUNDS))


def test_a_model_on_the_bound_passes() -> None:
    assert all(check.passed for check in gate.check(metrics(accuracy=0.98, min_recall=0.95), BOUNDS))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accuracy": 0.97}, "accuracy 0.9700 is 0.0100 under its bound 0.9800"),
        ({"min_recall": 0.9}, "smallest recall 0.9000 is 0.0500 under its bound 0.9500"),
        ({"accuracy": float("nan")}, "accuracy nan"),
    ],
)
def test_a_missed_bound_is_named_with_its_distance(change: dict[str, Any], words: str) -> None:
    missed = [str(check) for check in gate.check(metrics(**change), BOUNDS) if not check.passed]

    assert len(missed) == 1
    assert words in missed[0]


def test_the_first_model_becomes_champion() -> None:
    assert gate.compare(metrics(), None).promotes


def test_a_better_model_takes_the_champions_place() -> None:
    assert gate.compare(metrics(accuracy=0.99), metrics()).promotes


def test_a_tie_keeps_the_champion() -> None:
    assert not gate.compare(metrics(), metrics()).promotes


@pytest.mark.parametrize("change", [{"dataset": "load_digits"}, {"test_set": "xyz"}])
def test_a_model_tested_on_something_else_is_never_compared(change: dict[str, Any]) -> None:
    comparison = gate.compare(metrics(accuracy=1.0, **change), metrics())

    assert not comparison.promotes
    assert "not comparable" in comparison.reason
