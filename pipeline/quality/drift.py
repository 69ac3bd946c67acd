"""Whether a batch is like what its model was measured on: two-sample tests, each with the size of the effect.

A figure has drifted where its p, corrected for the number of figures (Holm, 1979), is below the significance, and its effect is
not below the least that counts: of a million pictures, a difference that nobody could see has a p of nothing.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.digits.arrays import Doubles, Floats
from pipeline.quality.profile import COLUMNS, KINDS, STEP, Profile, Sample

# Fewer rows give no verdict, and fewer values no test.
LEAST_ROWS = 100
DRIFT, NONE, UNKNOWN = "drift", "no drift", "unknown"
BINS = 12


@dataclass(frozen=True)
class Figure:
    """A figure of a batch beside that of the reference.

    ``effect``: the distance of Kolmogorov and Smirnov for a number, Cohen's w for the digits, Cohen's h (1988) for a share;
    ``p``: corrected. ``batch``, ``reference``: the mean, or the share; of the digits, None. ``edges``, ``shape``,
    ``usual_shape``: a histogram, the bins' ends, and the share of the batch and of the reference in each.
    """

    name: str
    effect: float
    p: float
    has_drifted: bool
    batch: float | None
    reference: float | None
    edges: tuple[float, ...] = ()
    shape: tuple[float, ...] = ()
    usual_shape: tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A batch beside a reference: DRIFT or NONE by its figures; UNKNOWN, and ``why``, where there is no verdict."""

    verdict: str
    why: str = ""
    against: str = ""
    figures: tuple[Figure, ...] = ()

    @property
    def drifted(self) -> list[str]:
        """The names of the figures that have drifted."""
        return [one.name for one in self.figures if one.has_drifted]

    def as_shown(self) -> dict[str, Any]:
        """Give what a manifest says."""
        return asdict(self) | {"drifted": self.drifted}


def compare(batch: Sample, profile: Profile, significance: float, least_effect: float) -> Comparison:
    """Compare a batch with what is usual for its model: of several kinds of pictures, with those that it is most like."""
    if batch.rows < LEAST_ROWS:
        return Comparison(UNKNOWN, f"{batch.rows} rows are too few to tell, {LEAST_ROWS} are enough")
    found = [
        Comparison(DRIFT if any(one.has_drifted for one in figures) else NONE, "", name, figures)
        for name, one in profile.samples.items()
        if (figures := _figures(batch, one, profile, significance, least_effect))
    ]
    if not found:
        return Comparison(UNKNOWN, "there is nothing to compare it with")
    return min(found, key=lambda one: (len(one.drifted), sum(figure.effect for figure in one.figures)))


def _figures(
    batch: Sample, reference: Sample, profile: Profile, significance: float, least_effect: float
) -> tuple[Figure, ...]:
    found = [*_numbers(batch, reference, profile), *_labels(batch, reference, profile), *_shares(batch, reference, profile)]
    corrected = holm(np.array([one.p for one in found]))
    return tuple(
        Figure(**{**vars(one), "p": float(p), "has_drifted": bool(p < significance and one.effect >= least_effect)})
        for one, p in zip(found, corrected, strict=True)
    )


def holm(p: Doubles) -> Doubles:
    """Correct p-values for their number, so that one of them is below a bound by chance as rarely as the bound says."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(raised, 1.0)
    return corrected


def _numbers(batch: Sample, reference: Sample, profile: Profile) -> Iterator[Figure]:
    """Compare each column by the test of Kolmogorov and Smirnov."""
    if min(len(batch.values), len(reference.values)) < LEAST_ROWS:
        return
    for name, one, other in zip(COLUMNS, np.sort(batch.values, axis=0).T, reference.values.T, strict=True):
        distance = _distance(one, other)
        root = np.sqrt(len(one) * len(other) / (len(one) + len(other)))
        edges = _edges(one, other)
        shapes = (tuple(np.round(np.histogram(some, edges)[0] / len(some), 4).tolist()) for some in (one, other))
        ends = tuple(float(f"{edge:.4g}") for edge in edges)
        means = float(one.mean(dtype=np.float64)), float(other.mean(dtype=np.float64))
        yield Figure(name, distance, _p(profile, "ks", distance * root), False, *means, ends, *shapes)


def _distance(one: Floats, other: Floats) -> float:
    """Give the largest distance between two distributions, of sorted values."""
    places = np.concatenate([one, other])
    shares = [np.searchsorted(some, places, side="right") / len(some) for some in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def _edges(one: Floats, other: Floats) -> Doubles:
    low, high = min(one[0], other[0]), max(one[-1], other[-1])
    return np.linspace(low, high if high > low else low + 1, BINS + 1, dtype=np.float64)


def _labels(batch: Sample, reference: Sample, profile: Profile) -> Iterator[Figure]:
    """Compare how often each digit was read, of those that could be, by chi squared."""
    can_be = batch.labels + reference.labels > 0
    one, other = batch.labels[can_be], reference.labels[can_be]
    if min(one.sum(), other.sum()) < LEAST_ROWS or len(one) < 2:
        return
    table = np.stack([one, other]).astype(np.float64)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    root = np.sqrt((np.square(table - expected) / expected).sum())
    # A digit that the reference lacks would make any share of it infinitely strange.
    usual = (other + 1) / (other + 1).sum()
    effect = float(np.sqrt((np.square(one / one.sum() - usual) / usual).sum()))
    shapes = (tuple(np.round(some / some.sum(), 4).tolist()) for some in (batch.labels, reference.labels))
    yield Figure("digits", effect, _p(profile, f"chi2_{len(one) - 1}", root), False, None, None, tuple(range(11)), *shapes)


def _shares(batch: Sample, reference: Sample, profile: Profile) -> Iterator[Figure]:
    """Compare shares by the difference of their arcsines, whose variance does not depend on them."""
    for kind in KINDS:
        if kind == "review" and batch.minimum_confidence != reference.minimum_confidence:
            continue
        one, other = batch.kinds[kind] / batch.rows, reference.kinds[kind] / reference.rows
        effect = abs(float(2 * (np.arcsin(np.sqrt(one)) - np.arcsin(np.sqrt(other)))))
        root = effect / np.sqrt(1 / batch.rows + 1 / reference.rows)
        yield Figure(kind, effect, _p(profile, "chi2_1", root), False, one, other)


def _p(profile: Profile, test: str, statistic: float) -> float:
    table = profile.nulls[test]
    return float(np.exp(np.interp(statistic, np.arange(len(table)) * STEP, table)))
