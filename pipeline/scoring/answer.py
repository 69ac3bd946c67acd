"""From a page as it was normalised to its row: the network's answer, and whether it is to be doubted."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.digits.arrays import Floats, Images
from pipeline.digits.field import FIELD
from pipeline.digits.network.model import Classifier, in_batches, probabilities
from pipeline.digits.network.second_look import look_again
from pipeline.digits.pictures import trust
from pipeline.digits.pictures.normalising import Glyph
from pipeline.scoring.page import Reading
from pipeline.scoring.row import Row, Rules, name_in_csv

# Memory grows with it, speed does not.
BATCH = 100


def rows(paths: Sequence[bytes], readings: Sequence[Reading], classifier: Classifier, model: str, rules: Rules) -> list[Row]:
    """Give the rows of pages that were read from files with these paths; ``model`` is the version that ``classifier`` holds."""
    found = [reading.field for reading in readings if reading.field is not None]
    answers = _answers(classifier, np.array(found, np.uint8).reshape(-1, FIELD, FIELD, 1), rules)
    return [
        Row(name_in_csv(paths[one.file]), one.page, "", "", "", "", "error", one.glyph, model)
        if isinstance(one.glyph, str)
        else _row(paths[one.file], one.page, one.glyph, next(answers), model, rules)
        for one in readings
    ]


class _Restricted(Classifier):
    """A classifier that some digits cannot be the answer of."""

    def __init__(self, classifier: Classifier, impossible: list[int]) -> None:
        self._classifier = classifier
        self._impossible = impossible

    def logits(self, images: Images) -> Floats:
        logits = self._classifier.logits(images)
        logits[:, self._impossible] = -np.inf
        return logits


class _Answer(NamedTuple):
    """The two digits that a field shows most likely, and the probability of every digit, exact and in ten-thousandths."""

    first: int
    second: int
    probabilities: list[float]
    rounded: list[int]


def _answers(classifier: Classifier, fields: Images, rules: Rules) -> Iterator[_Answer]:
    """Read fields of (N, 28, 28, 1)."""
    impossible = [digit for digit in range(10) if digit not in rules.digits]
    reader = _Restricted(classifier, impossible) if impossible else classifier
    logits = look_again(reader, fields, in_batches(reader, fields, BATCH), rules.temperature)
    shares = probabilities(logits, rules.temperature)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :2].tolist()
    rounded = np.rint(shares.astype(np.float64) * 10_000).astype(int).tolist()
    return (_Answer(*both, *values) for both, *values in zip(order, shares.tolist(), rounded, strict=True))


def _row(path: bytes, page: int, glyph: Glyph, answer: _Answer, model: str, rules: Rules) -> Row:
    confidence = answer.probabilities[answer.first]
    reason = trust.doubt(glyph, confidence, rules.minimum_confidence)
    status = "review" if reason else "ok"
    if reason == trust.BLANK:
        return Row(name_in_csv(path), page, "", "", "", "", status, reason, model)
    is_choice = len(rules.digits) > 1
    return Row(
        file=name_in_csv(path),
        page=page,
        label=str(answer.first),
        confidence=f"{confidence:.4f}",
        second_label=str(answer.second) if is_choice else "",
        second_confidence=f"{answer.probabilities[answer.second]:.4f}" if is_choice else "",
        status=status,
        reason=reason,
        model=model,
        probabilities=tuple(answer.rounded),
    )
