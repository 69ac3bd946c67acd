"""What the gate said, in the words of a page."""

import math
from dataclasses import replace
from typing import Any

import pytest

from pipeline.registry.gate import Check, Comparison, Pairs, Verdict
from pipeline.reports import verdict as words_of
from pipeline.reports.verdict import Margin

CHECKS = [Check("accuracy", 0.995, 0.99), Check("bytes", 500, 2000, is_maximum=True)]
PAIRS = Pairs(10_000, 14, 3, 0.01)


def verdict(comparison: Comparison | None, checks: list[Check] = CHECKS) -> dict[str, Any]:
    return Verdict("mnist", "0" * 12, checks, comparison).as_json()


@pytest.mark.parametrize(
    ("compared", "own", "words"),
    [
        ("first", None, "with no champion before it"),
        ("better", None, "beat v1.1.0 by 14 to 3"),
        ("better", Pairs(50, 9, 2, 0.1), "beat v1.1.0 by 14 to 3, on own scans 9 to 2"),
        ("luck", None, "read more than v1.1.0 (14 to 3), which may be luck"),
        ("worse", None, "read fewer than v1.1.0 (14 to 3)"),
        ("incomparable", None, "cannot be compared with v1.1.0"),
    ],
)
def test_a_headline_says_what_was_kept_and_who_was_beaten(compared: str, own: Pairs | None, words: str) -> None:
    champion = None if compared == "first" else "v1.1.0"
    pairs = None if compared in ("first", "incomparable") else PAIRS
    found = verdict(Comparison(compared, True, "why", champion, pairs, own))

    assert words_of.headline("v1.0.0", found, is_champion=True) == f"Champion v1.0.0: kept all two bounds, {words}"
    assert words_of.headline("v1.0.0", found, is_champion=False).startswith("v1.0.0: kept")


def test_a_headline_of_what_missed_a_bound_and_of_what_nobody_asked_about() -> None:
    missed = verdict(None, [Check("accuracy", 0.98, 0.99), CHECKS[1]])

    assert words_of.headline(None, missed, is_champion=False) == "Not registered: missed one of two bounds: accuracy"
    assert words_of.headline("v1.0.0", None, is_champion=True) == "Champion v1.0.0: the gate was not asked"
    assert words_of.remarks(None) == words_of.remarks(missed) == []


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (CHECKS[0], Margin("accuracy", "0.9950", "at least 0.9900", "0.0050 to spare", 0.5, True)),
        (CHECKS[1], Margin("bytes", "500", "at most 2,000", "1,500 to spare", 0.25, True)),
        (Check("accuracy", 0.97, 0.99), Margin("accuracy", "0.9700", "at least 0.9900", "missed by 0.0200", 3, False)),
        (Check("accuracy", 1.0, 1.0), Margin("accuracy", "1.0000", "at least 1.0000", "0.0000 to spare", 0, True)),
        (Check("accuracy", math.nan, 0.9), Margin("accuracy", "nan", "at least 0.9000", "missed by nan", float("inf"), False)),
        (Check("accuracy", 0.9, 1.0), Margin("accuracy", "0.9000", "at least 1.0000", "missed by 0.1000", float("inf"), False)),
    ],
)
def test_a_bound_says_how_much_of_what_it_allows_is_used(check: Check, expected: Margin) -> None:
    found = Margin.of(check.as_json())

    assert replace(found, used=0) == replace(expected, used=0)
    assert found.used == pytest.approx(expected.used)
