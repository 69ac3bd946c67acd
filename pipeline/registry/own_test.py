"""The user's own scans that no model was trained on, read by two models: for the gate, and for the page of a training."""

from collections.abc import Sequence

import numpy as np

from pipeline import layout
from pipeline.datasets import own
from pipeline.datasets.own import Own
from pipeline.digits.network.answers import read_fields
from pipeline.digits.network.model import Classifier
from pipeline.errors import PipelineError
from pipeline.registry import contents
from pipeline.registry.contents import ScoringModel
from pipeline.registry.gate import Answers
from pipeline.registry.versions import Reign
from pipeline.reports.training import OwnTest
from pipeline.scoring.row import DIGITS


def answers(model: ScoringModel, scans: Own) -> Answers:
    """Read scans as scoring does."""
    read = read_fields(Classifier(model.content), scans.images, DIGITS, model.temperature)
    return Answers(scans.labels.astype(np.int64), np.array([one.first for one in read], np.int64))


def before_and_after(version: str | None, reigns: Sequence[Reign]) -> OwnTest | None:
    """Read the own test scans with the workspace's model, and with the last champion that is another one.

    ``version``: as which the model is registered, or None. Gives None where there are no such scans.
    """
    scans = own.read(layout.OWN).part(own.TEST)
    if not len(scans.labels):
        return None
    after = answers(contents.of_workspace(version or ""), scans).answered
    champion = next((reign.version for reign in reversed(reigns) if reign.version != version), "")
    try:
        before = answers(contents.load(champion), scans).answered if champion else None
    except PipelineError:  # its bytes are nowhere to be had
        before = None
    return OwnTest(scans.images[..., 0], scans.labels, after, before, champion)
