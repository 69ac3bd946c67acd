"""Which model may enter the registry, and which may become its champion."""

import io
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.params import Bounds


@dataclass(frozen=True)
class Check:
    """One bound of the gate and what the model reached. Integers are bytes, floats are shares from 0 to 1."""

    name: str
    value: float
    bound: float
    is_maximum: bool = False

    @property
    def distance(self) -> float:
        """Give how far the value is from the bound; negative where the bound is missed."""
        return self.bound - self.value if self.is_maximum else self.value - self.bound

    @property
    def passed(self) -> bool:
        """Tell whether the bound is kept."""
        return self.distance >= 0

    @property
    def outcome(self) -> str:
        """Give the outcome in a word."""
        return "passed" if self.passed else "missed"

    def as_json(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        kind = "maximum" if self.is_maximum else "minimum"
        values = {"value": self.value, "bound": self.bound, "distance": round(self.distance, 6)}
        return {"name": self.name, "kind": kind, **values, "outcome": self.outcome}

    def __str__(self) -> str:
        """Describe the check in a line."""
        kind, distance = "at most" if self.is_maximum else "at least", _number(abs(self.distance))
        how_far = f"passed with {distance} to spare" if self.passed else f"missed by {distance}"
        return f"{self.name} {_number(self.value)}, {kind} {_number(self.bound)}: {how_far}"


@dataclass(frozen=True)
class Answers:
    """What a model answered to each image of a test set, and what is right: (N,) each."""

    actual: npt.NDArray[np.int64]
    answered: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Give the share that is right, 0 to 1."""
        return float((self.answered == self.actual).mean())

    @classmethod
    def of_csv(cls, content: bytes) -> "Answers":
        """Read ``predictions.csv``, which ``evaluate`` writes."""
        import pandas as pd

        table = pd.read_csv(io.BytesIO(content))
        logits = table.filter(regex="^logit_[0-9]$").to_numpy()
        return cls(table["actual"].to_numpy(np.int64), logits.argmax(axis=1))


@dataclass(frozen=True)
class Pairs:
    """Two models on the same test images: how many each alone reads right, and the exact test of McNemar (1947).

    ``p``: the probability, 0 to 1, that two equally good models differ as much, in either direction.
    """

    images: int
    first_alone: int
    second_alone: int
    p: float

    @classmethod
    def of(cls, first: Answers, second: Answers) -> "Pairs | None":
        """Count what each model alone reads right; None where the test images are not the same."""
        from scipy.stats import binomtest

        if not np.array_equal(first.actual, second.actual):
            return None
        rights = [one.answered == one.actual for one in (first, second)]
        alone = int((rights[0] & ~rights[1]).sum()), int((rights[1] & ~rights[0]).sum())
        p = float(binomtest(alone[0], sum(alone)).pvalue) if sum(alone) else 1.0
        return cls(len(first.actual), *alone, p)


@dataclass(frozen=True)
class Contender:
    """A registered model that a new one is compared with; ``answers`` is None where neither cache nor remote has them."""

    version: str
    metrics: dict[str, Any]
    answers: Answers | None


@dataclass(frozen=True)
class Comparison:
    """How a model compares with the champion, whether it may take its place, and why in words.

    ``outcome``: ``first``, ``better``, ``luck``, ``tie``, ``worse``, ``mixed``, ``incomparable``, or ``by bounds``. ``pairs``
    are of the test images, ``own`` of the user's own scans, where these were compared.
    """

    outcome: str
    promotes: bool
    reason: str
    champion: str | None = None
    pairs: Pairs | None = None
    own: Pairs | None = None

    @property
    def summary(self) -> str:
        """Say why it may take the champion's place, in a few words."""
        if self.pairs:
            own = f", own scans {self.own.p:.4f}" if self.own else ""
            return f"{self.outcome} than {self.champion} (p = {self.pairs.p:.4f}{own})"
        return f"{self.champion} misses a bound" if self.champion else self.reason


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a model: each bound, and the comparison with the champion, None for a model that is refused.

    ``replay`` says what the model would change in scored batches, ``changed_share`` which share of their rows, 0 to 1.
    """

    dataset: str
    test_set: str
    checks: list[Check]
    comparison: Comparison | None = None
    replay: str = ""
    changed_share: float | None = None

    @property
    def missed(self) -> list[Check]:
        """The bounds that were not kept."""
        return [check for check in self.checks if not check.passed]

    def as_json(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        return asdict(self) | {"checks": [check.as_json() for check in self.checks], "words": str(self)}

    def __str__(self) -> str:
        """Give the verdict in lines: data set, every bound, the replay, the champion."""
        lines = [f"dataset: {self.dataset}, test set {self.test_set}", *map(str, self.checks)]
        if self.replay:
            lines.append(self.replay)
        if self.comparison:
            lines.append(f"{'champion' if self.comparison.promotes else 'not champion'}: {self.comparison.reason}")
        return "\n".join(lines)


def check(metrics: dict[str, Any], bounds: Bounds) -> list[Check]:
    """Compare the metrics that ``evaluate`` wrote with the bounds of their data set. A missing metric misses its bound."""

    def value(name: str) -> float:
        found: float = metrics.get(name, math.nan)
        return found

    worst = f"worst slice ({metrics.get('worst_slice', 'unknown')})"
    return [
        Check("accuracy", value("accuracy"), bounds.minimum_accuracy),
        Check("smallest recall", value("min_recall"), bounds.minimum_recall),
        Check("calibration error", value("ece"), bounds.maximum_calibration_error, is_maximum=True),
        Check(worst, value("worst_accuracy"), bounds.minimum_slice_accuracy),
        Check("bytes of model.tflite", value("model_bytes"), bounds.maximum_bytes, is_maximum=True),
    ]


def compare(
    metrics: dict[str, Any],
    answers: Answers,
    champion: Contender | None,
    bounds: Bounds,
    significance: float,
    own: Pairs | None = None,
) -> Comparison:
    """Tell whether a model beats the champion: by more right answers to the same test images than luck would give.

    Where they were compared on the user's ``own`` scans too, it must do so on one of the two, and must not be worse on the
    other. Where the champion's answers cannot be fetched, the model takes its place only if the champion misses a bound.
    """
    if champion is None:
        return Comparison("first", True, "there was no champion")
    name = champion.version
    by_hand = "not comparable; `digits promote` makes it champion all the same"
    if metrics["dataset"] != champion.metrics.get("dataset"):
        other = champion.metrics.get("dataset", "nothing that is known")
        return Comparison("incomparable", False, f"tested on {metrics['dataset']}, {name} on {other}: {by_hand}", name)
    if metrics["test_set"] != champion.metrics["test_set"]:
        return Comparison("incomparable", False, f"another test set of {metrics['dataset']} than {name}'s: {by_hand}", name)
    pairs = Pairs.of(answers, champion.answers) if champion.answers else None
    if pairs is None:
        return _by_bounds(champion, bounds)
    return _paired(name, pairs, significance, own)


def ask(comparison: Comparison, version: str) -> Comparison:
    """Leave the promotion to a person."""
    how = f"`digits promote {version}` makes it champion (register.promotion is `ask`)"
    return replace(comparison, promotes=False, reason=f"{comparison.reason}; {how}") if comparison.promotes else comparison


def _paired(champion: str, pairs: Pairs, significance: float, own: Pairs | None) -> Comparison:
    both = [pairs, own] if own else [pairs]
    signs = {np.sign(one.first_alone - one.second_alone) * (one.p < significance) for one in both}
    gained, lost = sum(one.first_alone for one in both), sum(one.second_alone for one in both)
    if {1, -1} <= signs:
        outcome, words = "mixed", "better on one of both, worse on the other"
    elif signs & {1, -1}:
        outcome = words = "better" if 1 in signs else "worse"
    elif gained > lost:
        outcome, words = "luck", "more right answers, which may be luck"
    else:
        outcome, words = ("tie", "no difference") if gained == lost else ("worse", "fewer right answers")
    counts = f"of {pairs.images} test images it alone reads {pairs.first_alone} right, {champion} alone {pairs.second_alone}"
    chance = f"{pairs.p:.4f}"
    if own:
        counts += f", of {own.images} own scans {own.first_alone} and {own.second_alone}"
        chance += f" and {own.p:.4f}"
    reason = f"{words}: {counts} (McNemar's exact test: p = {chance}; better needs less than {significance:g})"
    return Comparison(outcome, outcome == "better", reason, champion, pairs, own)


def _by_bounds(champion: Contender, bounds: Bounds) -> Comparison:
    missed = [str(one) for one in check(champion.metrics, bounds) if one.distance < 0]
    where = "are of other images" if champion.answers else "are nowhere to be had"
    why = f"the predictions of {champion.version} {where}, so it is held to the bounds alone"
    reason = f"{why}, of which it misses: {'; '.join(missed)}" if missed else f"{why}, and keeps them"
    return Comparison("by bounds", bool(missed), reason, champion.version)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
