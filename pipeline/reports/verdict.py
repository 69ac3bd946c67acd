"""What the gate said of a model, as a page shows it: a headline, and how much of what each bound allows is used."""

import math
from dataclasses import dataclass
from typing import Any, Self

NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COMPARED = {
    "first": "with no champion before it",
    "better": "beat {champion}{score}",
    "luck": "read more than {champion}{score}, which may be luck",
    "tie": "read as many as {champion}{score}",
    "worse": "read fewer than {champion}{score}",
    "mixed": "better than {champion} on one test, worse on the other{score}",
    "incomparable": "cannot be compared with {champion}",
    "by bounds": "held to the bounds alone, for want of the answers of {champion}",
}


@dataclass(frozen=True)
class Margin:
    """One bound, in words, and ``used``: the share of what it allows, 0 to 1; more if missed, infinite without a value.

    That is errors out of those allowed for what must be at least so much, and the value itself for what must be at most.
    """

    name: str
    value: str
    bound: str
    margin: str
    used: float
    passed: bool

    @classmethod
    def of(cls, check: dict[str, Any]) -> Self:
        """Read a check as ``gate.Check.as_json`` gives it."""
        is_maximum = check["kind"] == "maximum"
        value, bound, distance = check["value"], check["bound"], abs(check["distance"])
        used, allowed = (value, bound) if is_maximum else (1 - value, 1 - bound)
        share = used / allowed if allowed else math.inf * used if used else 0.0
        passed = check["outcome"] == "passed"
        return cls(
            check["name"],
            _number(value),
            f"{'at most' if is_maximum else 'at least'} {_number(bound)}",
            f"{_number(distance)} to spare" if passed else f"missed by {_number(distance)}",
            math.inf if math.isnan(share) else share,
            passed,
        )


def headline(version: str | None, verdict: dict[str, Any] | None, *, is_champion: bool) -> str:
    """Say in a line what the gate said of a model that is registered as ``version``, or not.

    ``verdict`` is as ``gate.Verdict.as_json`` gives it, None where the gate was not asked.
    """
    model = f"{'Champion ' * is_champion}{version}" if version else "Not registered"
    if verdict is None:
        return f"{model}: the gate was not asked"
    checks = verdict["checks"]
    missed = [check["name"] for check in checks if check["outcome"] != "passed"]
    if missed:
        return f"{model}: missed {_word(len(missed))} of {_word(len(checks))} bounds: {', '.join(missed)}"
    return ", ".join(filter(None, (f"{model}: kept all {_word(len(checks))} bounds", _compared(verdict.get("comparison")))))


def bounds(verdict: dict[str, Any] | None) -> list[Margin]:
    """Give what became of each bound; none where the gate was not asked."""
    return [Margin.of(check) for check in (verdict or {}).get("checks", [])]


def remarks(verdict: dict[str, Any] | None) -> list[str]:
    """Give what else it said, in sentences: what the model changes in scored batches, and how it compares with the champion."""
    if verdict is None:
        return []
    comparison = verdict.get("comparison") or {"outcome": "first"}
    reason = "" if comparison["outcome"] == "first" else comparison["reason"]
    return [words for words in (verdict.get("replay", ""), reason) if words]


def _compared(comparison: dict[str, Any] | None) -> str:
    if comparison is None:
        return ""
    both = comparison.get("pairs"), comparison.get("own")
    scores = [f"{pairs['first_alone']} to {pairs['second_alone']}" for pairs in both if pairs]
    score = f" by {scores[0]}" if comparison["outcome"] == "better" and scores else f" ({scores[0]})" if scores else ""
    own = f", on own scans {scores[1]}" if len(scores) == 2 else ""
    words = COMPARED[comparison["outcome"]]
    return words.format(champion=comparison["champion"], score=score + own)


def _word(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
