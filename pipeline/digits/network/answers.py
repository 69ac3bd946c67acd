"""What the network reads in fields, as it is served: with a second look, and only digits that can occur."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np

from pipeline.digits.arrays import Floats, Images
from pipeline.digits.network.model import Classifier, in_batches, probabilities
from pipeline.digits.network.second_look import look_again

# Memory grows with it, speed does not.
BATCH = 100


class _Restricted(Classifier):
    """A classifier that some digits cannot be the answer of."""

    def __init__(self, classifier: Classifier, impossible: list[int]) -> None:
        self._classifier = classifier
        self._impossible = impossible

    def logits(self, images: Images) -> Floats:
        logits = self._classifier.logits(images)
        logits[:, self._impossible] = -np.inf
        return logits


class Answer(NamedTuple):
    """The two digits that a field shows most likely, and the probability of every digit, exact and in ten-thousandths."""

    first: int
    second: int
    probabilities: list[float]
    rounded: list[int]


def read_fields(classifier: Classifier, fields: Images, digits: Collection[int], temperature: float) -> Iterator[Answer]:
    """Read fields, (N, 28, 28, 1) uint8, that show one of ``digits``; logits are divided by ``temperature``."""
    impossible = [digit for digit in range(10) if digit not in digits]
    reader = _Restricted(classifier, impossible) if impossible else classifier
    logits = look_again(reader, fields, in_batches(reader, fields, BATCH), temperature)
    shares = probabilities(logits, temperature)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :2].tolist()
    rounded = np.rint(shares.astype(np.float64) * 10_000).astype(int).tolist()
    return (Answer(*both, *values) for both, *values in zip(order, shares.tolist(), rounded, strict=True))
