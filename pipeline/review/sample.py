"""The random sample of a batch's rows that a promise is made by."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from heapq import nsmallest

import numpy as np

from pipeline.review import promise
from pipeline.review.answers import Answers
from pipeline.review.promise import Promise

# Rows that a person may be asked to key; nobody keys more.
MOST = 20_000
# Confidence as the promise counts it.
TEN_THOUSANDTHS = "cast(row.confidence * 10000 + 0.5 as integer)"


@dataclass(frozen=True)
class Sample:
    """Rows with a label in a random order, of which only the beginning is known: place and pixels; and ``sets`` of all rows."""

    rows: Sequence[tuple[bytes, int]]
    pictures: Sequence[int]
    confidences: Sequence[int]
    labels: Sequence[str]
    sets: Sequence[promise.Set]


def draw(answers: Answers) -> Sample:
    """Draw the sample of a batch: by the same seed the same rows, also when others came or went since."""
    key = bytes.fromhex(answers.seed())
    counts: Counter[int] = Counter()

    def rows() -> Iterator[tuple[bytes, bytes, int, int, int, str]]:
        query = f"select path, page, pixels, {TEN_THOUSANDTHS}, label from scores.row where label is not null"  # noqa: S608 - ours
        for path, page, pixels, confidence, label in answers.execute(query):
            counts[confidence] += 1
            place = blake2b(b"%b/%d" % (path, page), key=key, digest_size=8).digest()
            yield place, path, page, pixels, confidence, str(label)

    first = nsmallest(MOST, rows())
    return Sample(
        [(path, page) for _, path, page, *_ in first],
        [one[3] for one in first],
        [one[4] for one in first],
        [one[5] for one in first],
        promise.sets(counts),
    )


def promised(answers: Answers, sample: Sample, error: float, sure: float) -> Promise:
    """Say what can be promised by the beginning of the sample that was keyed blind and is settled."""
    known = dict(answers.execute("select picture, value from keyed where was_blind and waits is null").fetchall())
    keyed = 0
    while keyed < len(sample.pictures) and sample.pictures[keyed] in known:
        keyed += 1
    wrong = [known[picture] != label for picture, label in zip(sample.pictures[:keyed], sample.labels[:keyed], strict=True)]
    confidences = np.array(sample.confidences[:keyed], np.int64)
    found = promise.promise(list(sample.sets), confidences, np.array(wrong, bool), error, sure)
    if not found.rows:
        return found
    tighter = promise.promise(list(sample.sets), confidences, np.array(wrong, bool), error / 2, sure)
    return replace(found, tighter=None if tighter.rows else tighter.more)
