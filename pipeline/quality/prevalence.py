"""How often each digit is in a batch, from calibrated probabilities, and how many answers are expected to be right."""

from dataclasses import dataclass

import numpy as np

from pipeline.digits.arrays import Doubles, Floats

MOST_ROUNDS, ENOUGH = 200, 1e-6
# Rows so sure are counted: no share that digits have here would change their answer.
SURE = 0.9995
RESAMPLES, INTERVAL = 200, 95


@dataclass(frozen=True)
class Shares:
    """The share of each digit, (10,) each: of the labels as they are, as estimated, and the ends of its 95 % interval."""

    raw: Doubles
    estimated: Doubles
    low: Doubles
    high: Doubles


def estimate(probabilities: Floats, priors: Doubles, seed: int = 0) -> Shares:
    """Estimate the shares of digits from the probabilities (N, 10) of N pictures, by EM (Saerens et al., 2002).

    ``priors`` (10,): the shares that the model was trained on. It holds if the pictures of a digit are as in training; the
    interval, by bootstrap, is of the draw of pictures, not of a doubt of that.
    """
    answers = probabilities.argmax(axis=1)
    is_sure = probabilities.max(axis=1) >= SURE
    sure = np.bincount(answers[is_sure], minlength=10).astype(np.float64)
    # Rounded, they may not sum to 1; and 0 says less than that a digit cannot be.
    unsure = np.maximum(probabilities[~is_sure].astype(np.float64), 1e-6)
    unsure /= unsure.sum(axis=1, keepdims=True)
    ones = np.ones((1, len(unsure)))
    estimated = _solve(sure[np.newaxis], ones, unsure, priors)
    random = np.random.default_rng(seed)
    # By Poisson's law, a picture is in a draw as often as in one with replacement.
    counts = random.poisson(sure, (RESAMPLES, 10)).astype(np.float64)
    weights = random.poisson(1.0, (RESAMPLES, len(unsure))).astype(np.float64)
    drawn = _solve(counts, weights, unsure, priors)
    low, high = np.percentile(drawn, [(100 - INTERVAL) / 2, (100 + INTERVAL) / 2], axis=0)
    raw = np.bincount(answers, minlength=10) / len(answers)
    return Shares(raw, estimated[0], low, high)


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
