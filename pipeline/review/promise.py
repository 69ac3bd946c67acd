"""How many rows of a batch are right with certainty, by a random sample that a person keyed.

The rows are taken as sets by a least confidence, from the surest half up to all. Of each set, the hypothesis that more of its
labels are wrong than may be is tested by the ratio of two likelihoods of the sample, drawn without replacement: that of fewer
wrong ones, averaged, and that of just too many. Under the hypothesis that ratio is a supermartingale, so it reaches 1 / p with
probability p at most, however often one looks and whenever one stops (Ville, 1939; Waudby-Smith and Ramdas, 2020).
The sets are tested in a fixed sequence (Learn then Test: Angelopoulos and others, 2021), as a fallback procedure (Wiens, 2003).
"""

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# The sets, as shares of the rows; and with how much of the risk the sequence begins at some of them.
SHARES = tuple(share / 100 for share in range(50, 101, 5))
RISKS = {0.5: 0.5, 0.8: 0.5}
# How many numbers of wrong rows the likelihood is averaged over.
AVERAGED = 64
# A confidence in ten-thousandths that no row has.
NOBODY = 10_001


@dataclass(frozen=True)
class Set:
    """The ``rows`` of a confidence of at least ``minimum``, in ten-thousandths; ``risk``: of a sequence that begins here."""

    minimum: int
    rows: int
    risk: float


@dataclass(frozen=True)
class Promise:
    """Of ``total`` labelled rows, those of a confidence of at least ``minimum`` have a share of at most ``error`` wrong.

    There are ``rows`` of them, 0 where nothing can be promised; ``minimum`` is in ten-thousandths. That is certain to ``sure``,
    by ``keyed`` rows, of which ``keyed_within`` are among those promised, and ``wrong`` of these have a wrong label. ``more``
    without a wrong one would promise ``next_rows``, ``tighter`` half the error of some rows; None where no number does.
    """

    error: float
    sure: float
    total: int
    rows: int
    minimum: int
    keyed: int
    keyed_within: int
    wrong: int
    more: int | None
    next_rows: int
    tighter: int | None = None


def sets(rows_by_confidence: Mapping[int, int]) -> list[Set]:
    """Choose the sets of a batch. They do not depend on the sample. ``rows_by_confidence``: confidence in ten-thousandths."""
    ordered = sorted(rows_by_confidence.items(), reverse=True)
    totals = list(accumulate(rows for _, rows in ordered))
    found: list[Set] = []
    for share in SHARES if totals else ():
        minimum, rows = next(
            (one, total) for (one, _), total in zip(ordered, totals, strict=True) if total >= share * totals[-1] - 1e-9
        )
        risk = RISKS.get(share, 0.0)
        if found and found[-1].minimum == minimum:
            risk += found.pop().risk
        found.append(Set(minimum, rows, risk))
    return found


def too_many(rows: int, error: float) -> int:
    """Give the least number of wrong rows that is more than a share of ``rows``."""
    return math.floor(rows * error + 1e-9) + 1


def evidence(rows: int, error: float, keyed: Ints, wrong: Ints) -> Floats:
    """Give the logarithm of the evidence that at most a share ``error`` of some ``rows`` is wrong; infinite where it is sure.

    ``keyed``: how many of them were drawn, ``wrong``: how many of those are wrong; arrays of the shape of the answer.
    """
    worst = too_many(rows, error)
    # As Jeffreys' prior for a small share has it, cut off at the share that is too much: its square root is spread evenly.
    fewer = np.floor(worst * ((np.arange(AVERAGED) + 0.5) / AVERAGED) ** 2)
    likelihoods = _log_likelihood(rows, fewer, keyed[..., None], wrong[..., None])
    found: Floats = logsumexp(likelihoods, axis=-1) - math.log(AVERAGED)
    against = _log_likelihood(rows, np.array(float(worst)), keyed, wrong)
    is_impossible = np.isneginf(found)
    return np.where(is_impossible, -np.inf, found - np.where(is_impossible, 0.0, against))


def promise(found: list[Set], confidences: Ints, wrong: NDArray[np.bool_], error: float, sure: float) -> Promise:
    """Work out the largest set that can be promised after each keyed row of a random order, and take the best.

    ``confidences`` of the keyed rows in ten-thousandths, and whether their labels are ``wrong``, both (n,) in that order.
    """
    total = found[-1].rows if found else 0
    best, risk = None, 0.0
    chances: list[tuple[int, int, Set]] = []
    for one in found:
        risk += one.risk * (1 - sure)
        within = confidences >= one.minimum
        keyed, bad = np.cumsum(within, dtype=np.int64), np.cumsum(wrong & within, dtype=np.int64)
        if risk and len(keyed) and evidence(one.rows, error, keyed, bad).max() >= -math.log(risk):
            best = one
            continue
        if risk:
            more = _more(one, error, int(within.sum()), int((wrong & within).sum()), risk)
            if more is not None:
                chances.append((math.ceil(more * total / one.rows), -one.rows, one))
        risk = 0.0
    better = [chance for chance in chances if best is None or chance[2].rows > best.rows]
    more, _, following = min(better, default=(None, 0, None), key=lambda chance: chance[:2])
    within = confidences >= (best.minimum if best else NOBODY)
    return Promise(
        error,
        sure,
        total,
        best.rows if best else 0,
        best.minimum if best else NOBODY,
        len(confidences),
        int(within.sum()),
        int((wrong & within).sum()),
        more,
        following.rows if following else 0,
    )


def _more(one: Set, error: float, keyed: int, wrong: int, risk: float) -> int | None:
    """Give how many more rows of a set are to be keyed, all of them right, until it is promised; None where none are enough."""

    def is_enough(more: int) -> bool:
        return bool(evidence(one.rows, error, np.array([keyed + more]), np.array([wrong]))[0] >= -math.log(risk))

    most = one.rows - keyed
    return bisect_left(range(most), True, key=is_enough) if is_enough(most) else None


def _log_likelihood(rows: int, bad: Floats, keyed: Ints, wrong: Ints) -> Floats:
    """Give the logarithm of the likelihood of a sample, up to a constant, if ``bad`` of the rows are wrong."""
    right, good = keyed - wrong, rows - bad
    is_possible = (wrong <= bad) & (right <= good)
    found = _log_choose(bad, np.minimum(wrong, bad)) + _log_choose(good, np.minimum(right, good))
    return np.where(is_possible, found, -np.inf)


def _log_choose(of: Floats, some: Floats) -> Floats:
    chosen: Floats = gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1)
    return chosen
