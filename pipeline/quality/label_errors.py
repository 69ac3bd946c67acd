"""Labels that are likely wrong, by confident learning (Northcutt, Jiang and Chuang, 2021)."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Floats, Labels
from pipeline.errors import PipelineError
from pipeline.imports import faster

# What a probability of nothing is taken for, as rows of scoring have it.
LEAST = 1e-4
PARTS, MOST_STEPS = 5, 300


class Found(NamedTuple):
    """Of N labels: ``order`` (N,), the least likely first; ``is_likely_wrong`` (N,); ``probabilities`` (N, 10)."""

    order: npt.NDArray[np.int64]
    is_likely_wrong: npt.NDArray[np.bool_]
    probabilities: Floats


def find(labels: Labels, probabilities: Floats) -> Found:
    """Find the labels (N,) that probabilities (N, 10) speak against, of a model that never saw them. Raises PipelineError.

    Labels are counted as wrong by the share of each digit that is confidently another, as cleanlab does.
    """
    try:
        with faster():
            from cleanlab.filter import find_label_issues
            from cleanlab.rank import get_label_quality_scores
    except ModuleNotFoundError as error:
        raise PipelineError(f"{error.name} is not installed. Install the extra `train`: `pip install -e '.[train]'`.") from None
    every, there = _normed(probabilities), np.unique(labels)
    # Only of digits that are labels can cleanlab say something; the others still weigh in what is suggested.
    given, chances = np.searchsorted(there, labels), _normed(every[:, there])
    if len(there) < 2 or len(labels) < PARTS:
        is_wrong = np.zeros(len(labels), np.bool_)
    else:
        is_wrong = find_label_issues(given, chances, filter_by="both", n_jobs=1)
    quality = get_label_quality_scores(labels.astype(np.int64), every, method="self_confidence")
    return Found(np.argsort(quality, kind="stable"), np.asarray(is_wrong, np.bool_), every)


def suited(labels: Labels, probabilities: Floats) -> Floats:
    """Suit probabilities to a hand and a scanner that the model does not know: its mean with a logistic regression on them.

    Each fifth is answered by a regression that was fitted to the others. Where a digit has fewer than five labels they stay.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    digits, counts = np.unique(labels, return_counts=True)
    chances = _normed(probabilities)
    if len(digits) < 2 or counts.min() < PARTS:
        return chances
    regression: Any = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MOST_STEPS))
    folds = StratifiedKFold(PARTS, shuffle=True, random_state=0)
    chances[:, digits] += cross_val_predict(regression, np.log(chances), labels, cv=folds, method="predict_proba")
    return _normed(chances)


def _normed(probabilities: Floats) -> Floats:
    chances: Floats = np.maximum(probabilities.astype(np.float32), np.float32(LEAST))
    return np.asarray(chances / chances.sum(axis=1, keepdims=True), np.float32)
