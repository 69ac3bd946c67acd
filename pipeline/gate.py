"""Which model may enter the registry, and which may become its champion."""

from dataclasses import dataclass
from typing import Any

from pipeline.params import Bounds


@dataclass(frozen=True)
class Check:
    """One bound of the gate and what the model reached."""

    name: str
    value: float
    bound: float

    @property
    def passed(self) -> bool:
        """Tell whether the bound is kept."""
        return self.value >= self.bound

    def __str__(self) -> str:
        """Say it in a few words, with the distance where the bound is missed."""
        if self.passed:
            return f"{self.name} {self.value:.4f} (at least {self.bound:.4f}: passed)"
        return f"{self.name} {self.value:.4f} is {self.bound - self.value:.4f} under its bound {self.bound:.4f}"


@dataclass(frozen=True)
class Comparison:
    """Whether a model takes the champion's place, and why."""

    promotes: bool
    reason: str


def check(metrics: dict[str, Any], bounds: Bounds) -> list[Check]:
    """Hold the metrics that ``evaluate`` wrote to the bounds of their data set."""
    return [
        Check("accuracy", metrics["accuracy"], bounds.minimum_accuracy),
        Check("smallest recall", metrics["min_recall"], bounds.minimum_recall),
    ]


def compare(metrics: dict[str, Any], champion: dict[str, Any] | None) -> Comparison:
    """Tell whether a model beats the champion on the same test set: more right answers; a tie keeps the champion.

    ``champion``: the metrics of the champion, None where there is no champion yet.
    """
    by_hand = "not comparable; `digits promote` makes it champion all the same"
    if champion is None:
        return Comparison(True, "there was no champion")
    if metrics["dataset"] != champion.get("dataset"):
        other = champion.get("dataset", "nothing that is known")
        return Comparison(False, f"tested on {metrics['dataset']}, the champion on {other}: {by_hand}")
    if metrics["test_set"] != champion["test_set"]:
        return Comparison(False, f"another test set of {metrics['dataset']} than the champion's: {by_hand}")
    better = metrics["accuracy"] > champion["accuracy"]
    relation = "better than" if better else "not better than"
    return Comparison(better, f"accuracy {metrics['accuracy']:.4f}, {relation} the champion's {champion['accuracy']:.4f}")
