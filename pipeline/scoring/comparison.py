"""A batch beside what is usual for its model: what a manifest says of drift, of the shares of digits, and of accuracy."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.digits.arrays import Doubles, Floats
from pipeline.digits.pictures import traits, trust
from pipeline.quality import drift, prevalence, profile
from pipeline.quality.drift import Comparison
from pipeline.quality.profile import Sample, UnfitError
from pipeline.scoring.row import PROBABILITIES, is_compared, share_compared
from pipeline.scoring.store import Store, opened


def of_batch(
    out: Path, known: bytes, model_sha256: str, minimum_confidence: float, significance: float, least_effect: float
) -> dict[str, Any]:
    """Compare the rows of a batch with its model's profile, ``known``, and estimate what can be estimated.

    Raises PipelineError.
    """
    found: dict[str, Any] = {"significance": significance, "least_effect": least_effect}
    with opened(out) as store:
        labels, sure, confidence = _count_labels(store)
        labelled = int(labels.sum())
        if labelled:
            found["expected_accuracy"] = round(confidence / labelled, 4)
        try:
            usual = profile.from_bytes(known, model_sha256)
        except UnfitError as why:
            return found | Comparison(drift.UNKNOWN, str(why)).as_shown()
        kinds, rows, files = _count_kinds(store)
        values, probabilities = read(store, share_compared(files))
        if labelled:
            found["shares"] = _shares(probabilities[values[:, -1] < prevalence.SURE], labels, sure, usual.priors)
        batch = Sample(values, labels.astype(np.int64), rows, kinds, minimum_confidence)
        return found | drift.compare(batch, usual, significance, least_effect).as_shown()


def read(store: Store, share: float = 1.0) -> tuple[Floats, Floats]:
    """Read ``profile.COLUMNS``, (N, 8), and the probabilities, (N, 10), of labelled rows of a share of the files, in order.

    An earlier run, of fewer files, may have kept the traits of more.
    """
    columns = ", ".join(("path", "traits", "confidence", *PROBABILITIES))
    query = f"select {columns} from row where label is not null and traits is not null order by path, page"  # noqa: S608 - ours
    rows = [row for row in store.execute(query) if is_compared(row[0], share)]
    described = np.frombuffer(b"".join(row[1] for row in rows), np.float16).reshape(-1, len(traits.NAMES))
    numbers = np.array([row[2:] for row in rows], np.float32).reshape(-1, 11)
    return np.column_stack([described.astype(np.float32), numbers[:, 0]]), numbers[:, 1:] / np.float32(10_000)


def _count_labels(store: Store) -> tuple[Doubles, Doubles, float]:
    """Count the rows of each digit, (10,), those of them that are sure, (10,), and add up the confidences of all."""
    labels, sure, total = np.zeros(10), np.zeros(10), 0.0
    query = "select label, count(*), sum(confidence >= ?), sum(confidence) from row where label is not null group by label"
    for label, count, count_sure, confidence in store.execute(query, [prevalence.SURE]):
        labels[label], sure[label] = count, count_sure
        total += confidence
    return labels, sure, total


def _count_kinds(store: Store) -> tuple[dict[str, int], int, int]:
    """Count the rows of each of ``profile.KINDS``, all, and the files that they are of."""
    query = (
        "select sum(status = 'review'), sum(reason = ?), sum(status = 'error'), count(*), (select count(*) from file) from row"
    )
    ((*counts, rows, files),) = store.execute(query, [trust.BLANK])
    return dict(zip(profile.KINDS, (count or 0 for count in counts), strict=True)), rows, files


def _shares(unsure: Floats, labels: Doubles, sure: Doubles, priors: Doubles) -> list[dict[str, Any]]:
    """Give a line for each digit: how often it was read, and what share of the digits it is expected to be."""
    answers = unsure.argmax(axis=1)
    drawn = np.bincount(answers, minlength=10)
    # Of each answer so many as there are, which chance alone would not give; one of which none was drawn is taken as it is.
    weights = (labels - sure)[answers] / drawn[answers]
    found = prevalence.estimate(np.where(drawn, sure, labels), unsure, weights, priors)
    return [
        {
            "digit": digit,
            "count": int(labels[digit]),
            "raw": round(float(labels[digit] / labels.sum()), 4),
            **{name: round(float(getattr(found, name)[digit]), 4) for name in ("estimated", "low", "high")},
        }
        for digit in range(10)
    ]
