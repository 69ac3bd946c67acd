"""How good answers are, and how well they know it: accuracy, likelihood, calibration, coverage."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.digits.arrays import Floats, Labels
from pipeline.digits.network.model import probabilities

COLDEST, HOTTEST = 0.05, 20.0
BINS = 15


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Find the temperature that makes the labels most likely (Guo et al., 2017); 1 where it does not help.

    ``logits``: (N, 10) float32; ``labels``: (N,), both of a split that the weights were not fitted to. It helps if the values
    that are fitted on the halves of the images make the labels of the other halves more likely.
    """
    halves = slice(0, None, 2), slice(1, None, 2)
    fitted = [_best_temperature(logits[half], labels[half]) for half in halves]
    held_out = [
        negative_log_likelihood(logits[other], labels[other], temperature)
        for temperature, other in zip(fitted, reversed(halves), strict=True)
    ]
    if np.mean(held_out) >= np.mean([negative_log_likelihood(logits[half], labels[half]) for half in halves]):
        return 1.0
    return _best_temperature(logits, labels)


def _best_temperature(logits: Floats, labels: Labels) -> float:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log: negative_log_likelihood(logits, labels, float(np.exp(log))),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def negative_log_likelihood(logits: Floats, labels: Labels, temperature: float = 1.0) -> float:
    """Give the mean of minus the logarithm (nats) of the probability that each label was given."""
    from scipy.special import log_softmax

    return float(-log_softmax(logits.astype(np.float64) / temperature, axis=1)[np.arange(len(labels)), labels].mean())


def reliability(confidence: Floats, is_right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Compare confidence with accuracy in 15 bins of equal width: columns confidence, accuracy, images; no empty bins.

    ``confidence``: (N,), 0 to 1, of each answer.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    table = pd.DataFrame({"confidence": confidence.astype(float), "accuracy": is_right, "images": 1})
    return table.groupby(bins).agg({"confidence": "mean", "accuracy": "mean", "images": "sum"}).reset_index(drop=True)


def expected_calibration_error(confidence: Floats, is_right: npt.NDArray[np.bool_]) -> float:
    """Give the mean distance between confidence and accuracy over the bins (Naeini et al., 2015), 0 to 1."""
    bins = reliability(confidence, is_right)
    return float(np.average((bins["confidence"] - bins["accuracy"]).abs(), weights=bins["images"]))


def accuracy_at_coverage(confidence: Floats, is_right: npt.NDArray[np.bool_], coverage: float) -> float:
    """Give the accuracy of the share ``coverage`` of the answers that has the highest confidence."""
    kept = np.argsort(-confidence, kind="stable")[: max(1, round(coverage * len(confidence)))]
    return float(is_right[kept].mean())


def interval(right: int, images: int) -> tuple[float, float]:
    """Give the 95 % interval of an accuracy (Wilson, 1927)."""
    from scipy.stats import binomtest

    found = binomtest(right, images).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def by_class(labels: Labels, answers: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Give precision and recall of each digit, 0 where a digit was never answered: columns digit, precision, recall."""
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, _, _ = precision_recall_fscore_support(labels, answers, labels=range(10), zero_division=0)
    return pd.DataFrame({"digit": range(10), "precision": precision, "recall": recall})


def answers_and_confidence(logits: Floats, temperature: float) -> tuple[npt.NDArray[np.int64], Floats]:
    """Give the digit of each row of logits (N, 10) and its calibrated probability, (N,) each."""
    scores = probabilities(logits, temperature)
    return scores.argmax(axis=1), scores.max(axis=1)
