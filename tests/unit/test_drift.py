"""A batch beside the profile of its model: the tests, the sizes of their effects, and the shares of digits."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pipeline.quality import drift, prevalence, profile
from pipeline.quality.drift import DRIFT, NONE, UNKNOWN, compare
from pipeline.quality.profile import COLUMNS, OWN, VALIDATION, Profile, Sample, UnfitError

MODEL = "0" * 64
PRIORS = np.full(10, 0.1)
NULLS = profile.tabulate()


def sample(seed: int, rows: int = 600, shift: float = 0.0, **changes: Any) -> Sample:
    random = np.random.default_rng(seed)
    values = np.sort(random.normal(shift, 1, (rows, len(COLUMNS))).astype(np.float32), axis=0)
    labels = np.bincount(random.integers(0, 10, rows), minlength=10)
    kinds = {"review": rows // 50, "blank": 0, "unreadable": 0}
    return replace(Sample(values, labels, rows, kinds, 0.95), **changes)


USUAL = Profile(MODEL, PRIORS, {VALIDATION: sample(0, 3000)}, NULLS)


def found(batch: Sample, usual: Profile = USUAL) -> drift.Comparison:
    return compare(batch, usual, significance=0.01, least_effect=0.2)


def figures(batch: Sample) -> dict[str, drift.Figure]:
    return {one.name: one for one in found(batch).figures}


def test_every_p_is_that_of_scipy_after_holm() -> None:
    batch, usual = sample(1, shift=0.1), USUAL.samples[VALIDATION]
    names = [*COLUMNS, "digits", "review", "blank", "unreadable"]
    tested = [stats.ks_2samp(one, other, method="asymp") for one, other in zip(batch.values.T, usual.values.T, strict=True)]
    table = np.stack([batch.labels, usual.labels])
    chi2 = stats.chi2_contingency(table)
    p = [*(one.pvalue for one in tested), chi2.pvalue]
    shares = [(batch.kinds[kind] / batch.rows, usual.kinds[kind] / usual.rows) for kind in profile.KINDS]
    for one, other in shares:
        effect = abs(2 * (np.arcsin(np.sqrt(one)) - np.arcsin(np.sqrt(other))))
        p.append(2 * stats.norm.sf(effect / np.sqrt(1 / batch.rows + 1 / usual.rows)))
    order = np.argsort(p)
    holm = np.maximum.accumulate(np.array(p)[order] * np.arange(len(p), 0, -1)).clip(max=1)

    compared = figures(batch)

    assert list(compared) == names
    assert [compared[name].effect for name in COLUMNS] == pytest.approx([one.statistic for one in tested], abs=1e-6)
    assert [compared[names[place]].p for place in order] == pytest.approx(holm.tolist(), rel=0.1)


@pytest.mark.parametrize("statistic", [0.5, 2.0, 7.0, 19.0])
def test_p_values_as_small_as_nothing_are_tabulated_too(statistic: float) -> None:
    ks, chi2 = (drift._p(USUAL, test, statistic) for test in ("ks", "chi2_9"))

    assert ks == pytest.approx(stats.kstwobign.sf(statistic), rel=1e-3, abs=1e-299)
    assert chi2 == pytest.approx(stats.chi2.sf(statistic**2, 9), rel=1e-3)
    assert 0 <= drift._p(USUAL, "ks", 1e6) <= 1e-299


def test_what_is_alike_has_not_drifted_and_what_is_not_has() -> None:
    assert found(sample(2)).verdict == NONE
    shifted = found(sample(3, shift=1.0))
    assert (shifted.verdict, shifted.drifted) == (DRIFT, list(COLUMNS))


def test_a_difference_that_nobody_could_see_is_not_drift_of_a_million() -> None:
    million = replace(sample(4, 200_000, shift=0.05), rows=1_000_000, kinds={"review": 21_000, "blank": 0, "unreadable": 0})
    many = replace(USUAL, samples={VALIDATION: sample(5, 200_000)})

    compared = found(million, many)

    assert compared.verdict == NONE
    assert all(one.p < 1e-9 for one in compared.figures if one.name in COLUMNS)


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        ({"labels": np.eye(10, dtype=np.int64)[3] * 600}, "digits"),
        ({"kinds": {"review": 150, "blank": 0, "unreadable": 0}}, "review"),
        ({"kinds": {"review": 12, "blank": 30, "unreadable": 0}}, "blank"),
        ({"kinds": {"review": 12, "blank": 0, "unreadable": 30}}, "unreadable"),
    ],
)
def test_each_kind_of_row_can_drift(change: dict[str, Any], figure: str) -> None:
    assert found(sample(6, **change)).drifted == [figure]


def nothing_labelled(kind: str) -> Sample:
    values, kinds = np.empty((0, len(COLUMNS)), np.float32), {"review": 6, "blank": 0, "unreadable": 0} | {kind: 294}
    return Sample(values, np.zeros(10, np.int64), 300, kinds, 0.95)


@pytest.mark.parametrize("kind", ["blank", "unreadable"])
def test_a_batch_without_a_label_is_compared_by_its_shares_alone(kind: str) -> None:
    compared = found(nothing_labelled(kind))

    assert compared.drifted == [kind]
    assert [one.name for one in compared.figures] == list(profile.KINDS)


def test_a_batch_of_one_picture_over_and_over_is_compared() -> None:
    batch = sample(7, values=np.ones((600, len(COLUMNS)), np.float32))

    assert set(COLUMNS) <= set(found(batch).drifted)


@pytest.mark.parametrize(("rows", "verdict"), [(99, UNKNOWN), (100, NONE)])
def test_few_rows_give_no_verdict(rows: int, verdict: str) -> None:
    compared = found(sample(8, rows))

    assert compared.verdict == verdict
    assert (compared.why != "") == (verdict == UNKNOWN)


def test_a_share_for_review_under_another_bound_is_not_compared() -> None:
    assert "review" not in figures(sample(9, minimum_confidence=0.5))
    assert "review" in figures(sample(9))


def test_a_batch_may_be_like_either_of_two_kinds_of_pictures() -> None:
    both = replace(USUAL, samples={VALIDATION: sample(0), OWN: sample(10, shift=3.0)})

    for shift, name in ((0.0, VALIDATION), (3.0, OWN)):
        compared = found(sample(11, shift=shift), both)
        assert (compared.verdict, compared.against) == (NONE, name)
    assert found(sample(11, shift=9.0), both).verdict == DRIFT


def test_a_profile_comes_back_as_it_was_written() -> None:
    content = profile.to_bytes(replace(USUAL, samples={VALIDATION: sample(0), OWN: sample(1)}))

    read = profile.from_bytes(content, MODEL)

    assert profile.to_bytes(read) == content
    assert found(sample(2), read) == found(sample(2), replace(USUAL, samples={VALIDATION: sample(0), OWN: sample(1)}))


def written(**changes: Any) -> bytes:
    return profile.to_bytes(replace(USUAL, **changes))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda _: b"", "registered without a profile"),
        (lambda patch: patch(profile, "VERSION", 0) or written(), "is of version 0, not 1"),
        (lambda _: written(model_sha256="1" * 64), "is of another model"),
        (lambda _: written()[:5000], "cannot be read"),
        (lambda _: b"not at all", "cannot be read"),
        (lambda _: written(samples={VALIDATION: sample(0, values=np.zeros((5, 3)))}), "other columns"),
    ],
)
def test_a_profile_that_does_not_fit_says_why(
    content: Callable[..., bytes], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = content(monkeypatch.setattr)
    monkeypatch.undo()

    with pytest.raises(UnfitError, match=words):
        profile.from_bytes(found, MODEL)


def answers(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give calibrated probabilities of pictures of which a share is a 3, the others one of nine digits, and the digits."""
    random = np.random.default_rng(seed)
    digits = np.where(random.random(count) < share, 3, random.choice([0, 1, 2, 4, 5, 6, 7, 8, 9], count))
    logits = random.normal(0, 1, (count, 10))
    logits[np.arange(count), digits] += 3  # by Bayes, a softmax of three times these is calibrated at equal priors
    scaled = np.exp(3 * logits)
    return (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32), digits


def estimate(probabilities: np.ndarray) -> prevalence.Shares:
    is_sure = probabilities.max(axis=1) >= prevalence.SURE
    sure = np.bincount(probabilities[is_sure].argmax(axis=1), minlength=10).astype(np.float64)
    return prevalence.estimate(sure, probabilities[~is_sure], np.ones(sum(~is_sure)), PRIORS)


def test_an_unsure_row_that_stands_for_several_counts_as_these() -> None:
    probabilities, _ = answers(400, 0.5, 1)

    one = prevalence.estimate(np.full(10, 7.0), np.tile(probabilities, (3, 1)), np.ones(1200), PRIORS)
    other = prevalence.estimate(np.full(10, 7.0), probabilities, np.full(400, 3.0), PRIORS)

    assert other.estimated == pytest.approx(one.estimated, abs=1e-6)
    assert (other.high - other.low) == pytest.approx(one.high - one.low, rel=0.5)


def test_shares_are_estimated_better_than_they_are_counted() -> None:
    errors = []
    for seed in range(20):
        probabilities, digits = answers(1000, 0.5, seed)
        estimated = estimate(probabilities)
        real, raw = (np.bincount(some, minlength=10) / 1000 for some in (digits, probabilities.argmax(axis=1)))
        errors.append((abs(raw - real)[3], abs(estimated.estimated - real)[3]))
        assert estimated.estimated.sum() == pytest.approx(1)
        assert (estimated.low <= estimated.estimated).all()
        assert (estimated.estimated <= estimated.high).all()
    raw, by_em = np.mean(errors, axis=0)
    assert by_em < raw / 2


def test_an_interval_holds_the_share_that_pictures_were_drawn_from() -> None:
    drawn = [estimate(answers(500, 0.3, seed)[0]) for seed in range(40)]

    assert sum(one.low[3] <= 0.3 <= one.high[3] for one in drawn) >= 35


@pytest.mark.parametrize("count", [1, 300])
def test_a_batch_of_one_digit_is_all_of_that(count: int) -> None:
    probabilities = np.tile(np.eye(10, dtype=np.float32)[7], (count, 1))

    estimated = estimate(probabilities)

    assert estimated.estimated[7] == pytest.approx(1, abs=1e-6)
    assert np.isfinite(estimated.low).all()
