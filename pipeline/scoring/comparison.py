"""A batch beside what is usual for its model: what a manifest says of drift, of the shares of digits, and of accuracy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Floats
from pipeline.digits.pictures import traits, trust
from pipeline.params import Score
from pipeline.quality import drift, prevalence, profile
from pipeline.quality.drift import Comparison
from pipeline.quality.profile import Sample, UnfitError
from pipeline.registry.contents import ScoringModel
from pipeline.scoring.row import PROBABILITIES, Rules
from pipeline.scoring.store import Store

# Of more labelled rows, about so many are looked at, drawn by chance.
MOST = 5000


def of_batch(store: Store, counts: Mapping[str, Any], model: ScoringModel, rules: Rules, settings: Score) -> dict[str, Any]:
    """Compare a batch with its model's profile, and estimate what can be estimated. ``counts``: as a manifest has them."""
    described, confidences, probabilities = read(store, MOST / max(1, sum(counts["labels"].values())))
    found: dict[str, Any] = {"significance": settings.drift_significance, "least_effect": settings.drift_effect}
    if len(probabilities):
        found["expected_accuracy"] = round(float(confidences.mean()), 4)
    try:
        usual = profile.from_bytes(model.profile, model.sha256)
    except UnfitError as why:
        return found | Comparison(drift.UNKNOWN, str(why)).as_shown()
    if len(probabilities):
        found["shares"] = _shares(prevalence.estimate(probabilities, usual.priors), counts)
    values = np.column_stack([described.astype(np.float32), confidences])
    labels = np.array([counts["labels"].get(str(digit), 0) for digit in range(10)])
    kinds = {
        "review": counts["statuses"].get("review", 0),
        "blank": counts["reasons"].get(trust.BLANK, 0),
        "unreadable": counts["statuses"].get("error", 0),
    }
    batch = Sample(values, labels, counts["rows"], kinds, rules.minimum_confidence)
    return found | drift.compare(batch, usual, settings.drift_significance, settings.drift_effect).as_shown()


def read(store: Store, share: float = 1.0) -> tuple[traits.Traits, npt.NDArray[np.float32], Floats]:
    """Read traits (N, 7), confidence (N,) and probabilities (N, 10) of the labelled rows, in order, or by chance of a share."""
    columns = ", ".join(("traits", "confidence", *PROBABILITIES))
    some = f" and chance(path) < {share}" if share < 1 else ""
    query = f"select {columns} from row where label is not null and traits is not null{some}"  # noqa: S608 - ours
    rows = store.execute(f"{query} order by path, page").fetchall()
    numbers = np.array([row[1:] for row in rows], np.float32).reshape(-1, 11)
    described = np.frombuffer(b"".join(row[0] for row in rows), np.float16).reshape(-1, len(traits.NAMES))
    return described, numbers[:, 0], numbers[:, 1:] / np.float32(10_000)


def _shares(found: prevalence.Shares, counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give a line for each digit: how often it was read, and what share of the digits it is expected to be."""
    return [
        {
            "digit": digit,
            "count": counts["labels"].get(str(digit), 0),
            **{name: round(float(getattr(found, name)[digit]), 4) for name in ("raw", "estimated", "low", "high")},
        }
        for digit in range(10)
    ]
