"""What a random sample of a batch promises, and how often such a promise is broken."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from scipy.stats import hypergeom

from pipeline.review import promise as promises
from pipeline.review.promise import Ints, Promise, evidence, sets, too_many

ROWS, ERROR, SURE = 400, 0.03, 0.95


def order(rows: int = ROWS) -> Ints:
    """Give confidences in ten-thousandths, from the surest row down."""
    return np.linspace(9999, 1000, rows).astype(np.int64)


def keyed(count: int, wrong: tuple[int, ...] = (), rows: int = ROWS, error: float = ERROR) -> Promise:
    """Key some rows, spread evenly over the confidences, of which a few are wrong."""
    confidences = order(rows)
    some = np.random.default_rng(0).permutation(rows)[:count]
    return promises.promise(sets(Counter(confidences.tolist())), confidences[some], np.isin(some, wrong), error, SURE)


@pytest.mark.parametrize(("rows", "error"), [(100, 0.005), (400, 0.03), (3000, 0.005)])
@pytest.mark.parametrize("more", [0, 1, 7])
def test_the_evidence_of_a_sample_is_at_most_one_on_average_where_too_many_rows_are_wrong(
    rows: int, error: float, more: int
) -> None:
    bad = too_many(rows, error) + more
    for drawn in (1, rows // 10, rows // 2, rows):
        wrong = np.arange(max(0, drawn - rows + bad), min(bad, drawn) + 1)
        chance = hypergeom(rows, bad, drawn).pmf(wrong)

        average = chance @ np.exp(evidence(rows, error, np.full_like(wrong, drawn), wrong))

        assert average <= 1 + 1e-9
        assert more or average > 0.99 or drawn > rows - bad  # the bound itself is the hardest case


def test_evidence_is_certain_once_every_row_is_keyed() -> None:
    all_of_them = np.array([ROWS])

    assert np.isposinf(evidence(ROWS, ERROR, all_of_them, np.array([12])))
    assert np.isneginf(evidence(ROWS, ERROR, all_of_them, np.array([13])))


def test_a_batch_in_which_no_row_may_be_wrong_is_promised_once_a_share_of_it_as_large_as_the_certainty_is_keyed() -> None:
    (one,) = evidence(100, 0.005, np.array([95]), np.array([0]))
    (less,) = evidence(100, 0.005, np.array([94]), np.array([0]))

    assert less < np.log(20) <= one + 1e-9


def test_sets_grow_with_the_confidence_that_they_ask_for_and_equal_confidences_stay_together() -> None:
    found = sets(Counter({10_000: 70, 9_000: 20, 2_000: 10}))

    assert [(one.minimum, one.rows) for one in found] == [(10_000, 70), (9_000, 90), (2_000, 100)]
    assert sum(one.risk for one in found) == 1
    assert not sets({})


def test_nothing_is_promised_before_anything_is_keyed_and_how_many_are_missing_is_said() -> None:
    found = keyed(0)

    assert (found.rows, found.keyed, found.total) == (0, 0, ROWS)
    assert found.more
    assert found.next_rows
    assert keyed(found.more + 30).rows >= found.next_rows  # not every row that is keyed is among those of the set


def test_a_larger_sample_without_a_wrong_row_promises_more_rows_until_it_promises_all() -> None:
    found = [keyed(count).rows for count in (50, 150, 250, 390)]

    assert found == sorted(found)
    assert found[0] == 0
    assert found[-1] == ROWS
    assert keyed(390).more is None


def test_a_batch_whose_unsure_rows_are_wrong_is_promised_without_them() -> None:
    found = keyed(300, wrong=tuple(range(300, 400)))

    assert 200 <= found.rows <= 310
    assert found.wrong / found.keyed_within <= ERROR
    assert found.minimum == order()[found.rows - 1]


def test_a_batch_that_is_wrong_everywhere_is_never_promised_and_no_number_is_named_when_all_is_keyed() -> None:
    found = keyed(ROWS, wrong=tuple(range(0, ROWS, 10)))

    assert (found.rows, found.more) == (0, None)


@pytest.mark.parametrize(
    ("evident", "promised"),
    [({220}, 0), ({200, 220}, 220), ({200, 240}, 200), ({320, 360}, 320), ({200, 220, 320, 340}, 340), ({300}, 0)],
)
def test_a_set_is_promised_only_after_all_since_the_last_at_which_the_sequence_begins(
    evident: set[int], promised: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promises, "evidence", lambda rows, *_: np.array([100.0 if rows in evident else 0.0]))

    assert keyed(10).rows == promised


def test_the_risk_of_a_sequence_that_reaches_the_next_beginning_is_added_to_that(monkeypatch: pytest.MonkeyPatch) -> None:
    enough_for_all_of_it = -np.log(0.05) + 1e-9
    for reaches_it, promised in ((100.0, ROWS), (0.0, 0)):
        before_and_after = {True: reaches_it, False: enough_for_all_of_it}
        monkeypatch.setattr(promises, "evidence", lambda rows, *_, of=before_and_after: np.array([of[rows < 320]]))
        assert keyed(10).rows == promised


def batch(random: np.random.Generator, *, is_drifted: bool) -> np.ndarray:
    """Say which rows are wrong, from the surest down: as confidences say, or sure ones as often as others."""
    place = np.arange(ROWS) / ROWS
    rate = np.minimum(0.9, random.uniform(0.2, 1.6) * ERROR * np.exp(4 * (place - 0.75)))
    return random.random(ROWS) < (np.full(ROWS, random.uniform(0.9, 1.4) * ERROR) if is_drifted else rate)


@pytest.mark.slow
@pytest.mark.parametrize("is_drifted", [False, True], ids=["calibrated", "drifted"])
def test_who_stops_as_soon_as_a_promise_holds_gets_a_broken_one_in_at_most_five_of_a_hundred_batches(
    is_drifted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    @cache
    def table(rows: int) -> np.ndarray:
        drawn, wrong = np.meshgrid(np.arange(rows + 1), np.arange(rows + 1), indexing="ij")
        return evidence(rows, ERROR, drawn[:, :40], np.minimum(wrong, drawn)[:, :40])

    def looked_up(rows: int, error: float, drawn: Ints, wrong: Ints) -> np.ndarray:
        return np.where(wrong < 40, table(rows)[drawn, np.minimum(wrong, 39)], -np.inf)

    monkeypatch.setattr(promises, "evidence", looked_up)
    random, confidences = np.random.default_rng(1), order()
    chosen = sets(Counter(confidences.tolist()))
    made = broken = 0
    for _ in range(1000):
        wrong, some = batch(random, is_drifted=is_drifted), random.permutation(ROWS)

        def after(count: int, some: Ints = some, wrong: np.ndarray = wrong) -> Promise:
            return promises.promise(chosen, confidences[some[:count]], wrong[some[:count]], ERROR, SURE)

        low, high = 0, ROWS
        while low < high:  # what was promised once stays promised
            middle = (low + high) // 2
            low, high = (low, middle) if after(middle).rows else (middle + 1, high)
        if rows := after(low).rows:
            made += 1
            broken += wrong[:rows].sum() > ERROR * rows

    assert broken <= 50
    assert made > 200
    assert broken > 0 or not is_drifted
