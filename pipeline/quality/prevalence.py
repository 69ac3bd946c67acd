"""How often each digit is in a batch, from calibrated probabilities."""

from dataclasses import dataclass

import numpy as np

from pipeline.digits.arrays import Doubles, Floats

MOST_ROUNDS, ENOUGH = 200, 1e-6
# Rows so sure are counted: no share that digits have here would change their answer.
SURE = 0.9995
# The interval reaches so many standard deviations of the draws to both sides: 95 % of a normal distribution.
RESAMPLES, INTERVAL = 50, 1.96


@dataclass(frozen=True)
class Shares:
    """The share of each digit, (10,) each: as estimated, and the ends of its 95 % interval."""

    estimated: Doubles
    low: Doubles
    high: Doubles


def estimate(sure: Doubles, unsure: Floats, weights: Doubles, priors: Doubles, seed: int = 0) -> Shares:
    """Estimate the shares of digits by EM (Saerens et al., 2002).

    ``sure`` (10,): how many rows surely are each; ``unsure`` (N, 10): the probabilities of others, each of which stands for as
    many rows as its weight says, (N,); ``priors`` (10,): the shares that the model was trained on. It holds if the pictures of
    a digit are as in training; the interval, by bootstrap, is of the draw of pictures, not of a doubt of that.
    """
    # Rounded, they may not sum to 1; and 0 says less than that a digit cannot be.
    likely: Doubles = np.maximum(unsure.astype(np.float64), 1e-6)
    likely /= likely.sum(axis=1, keepdims=True)
    estimated = _solve(sure[np.newaxis], weights[np.newaxis], likely, priors)[0]
    random = np.random.default_rng(seed)
    # By Poisson's law, a picture is in a draw as often as in one with replacement.
    counts, times = random.poisson(sure, (RESAMPLES, 10)), random.poisson(weights, (RESAMPLES, len(weights)))
    reach = INTERVAL * _solve(counts.astype(np.float64), times.astype(np.float64), likely, priors).std(axis=0)
    return Shares(estimated, np.maximum(estimated - reach, 0), np.minimum(estimated + reach, 1))


def _solve(sure: Doubles, weights: Doubles, unsure: Doubles, priors: Doubles) -> Doubles:
    """Find the shares, (B, 10), of B draws: counts of sure rows (B, 10), and weights (B, N) of the unsure ones, (N, 10)."""
    total = np.maximum(sure.sum(axis=1, keepdims=True) + weights.sum(axis=1, keepdims=True), 1)
    shares = np.tile(priors, (len(sure), 1))
    for _ in range(MOST_ROUNDS):
        ratio = shares / priors
        found = (sure + ratio * ((weights / np.maximum(ratio @ unsure.T, 1e-12)) @ unsure)) / total
        change = np.abs(found - shares).max()
        shares = found
        if change < ENOUGH:
            break
    return shares
