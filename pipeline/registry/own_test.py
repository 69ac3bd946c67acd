"""The user's own scans that no model was trained on, read by two models: for the gate, and for the page of a training."""

import numpy as np

from pipeline.datasets.own import Own
from pipeline.digits.network.answers import read_fields
from pipeline.digits.network.model import Classifier
from pipeline.registry.contents import ScoringModel
from pipeline.registry.gate import Answers
from pipeline.scoring.row import DIGITS


def answers(model: ScoringModel, scans: Own) -> Answers:
    """Read scans as scoring does."""
    read = read_fields(Classifier(model.content), scans.images, DIGITS, model.temperature)
    return Answers(scans.labels.astype(np.int64), np.array([one.first for one in read], np.int64))
