"""What is usual for a model: how pictures that its weights were not fitted to look, and how it reads them."""

import io
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Doubles, Floats
from pipeline.digits.pictures import traits, trust
from pipeline.digits.pictures.traits import Traits

# Grows when a number in it comes to mean something else.
VERSION = 1
VALIDATION, OWN = "validation images", "own test scans"
COLUMNS = (*traits.NAMES, "confidence")
# What is counted of the rows beside the digits that were read.
KINDS = ("review", "blank", "unreadable")
# Statistics that p-values are tabulated for: up to these, no p is as large as the smallest number.
MOST_LAMBDA, MOST_ROOT, STEP = 20.0, 40.0, 0.01
SMALLEST = 1e-300


@dataclass(frozen=True)
class Sample:
    """Pictures that a model read.

    ``values`` (N, 8) float32: COLUMNS of those that have a label, perhaps of a part of these; ``labels`` (10,): how many rows
    have each; ``kinds``: of all ``rows``, how many are of each of KINDS. ``minimum_confidence``: what is less is for review.
    """

    values: Floats
    labels: npt.NDArray[np.int64]
    rows: int
    kinds: Mapping[str, int]
    minimum_confidence: float


@dataclass(frozen=True)
class Profile:
    """What is usual for the model whose file has the hash ``model_sha256``.

    ``priors`` (10,): the share of each digit in what it was trained on; ``samples``: by what they are of; ``nulls``: natural
    logarithms of p by statistic, see ``tabulate``.
    """

    model_sha256: str
    priors: Doubles
    samples: Mapping[str, Sample]
    nulls: Mapping[str, Floats]


class UnfitError(ValueError):
    """A profile is not there, or is of another version or model: says why."""


def sample_of(
    described: Traits, confidences: Floats, answers: npt.NDArray[np.int64], reasons: list[str], minimum_confidence: float
) -> Sample:
    """Put together N pictures that were read; ``reasons``: why a person has to look at each, or empty texts."""
    has_label = np.array([reason != trust.BLANK for reason in reasons], np.bool_)
    counts = Counter({"review": sum(map(bool, reasons)), "blank": int((~has_label).sum()), "unreadable": 0})
    # As rows have it: rounded otherwise, a sample would differ from itself.
    confidences = np.round(confidences, 4)
    values = np.column_stack([described.astype(np.float32), confidences])[has_label]
    labels = np.bincount(answers[has_label], minlength=10)
    return Sample(np.sort(values, axis=0), labels, len(reasons), counts, minimum_confidence)


def tabulate() -> dict[str, Floats]:
    """Tabulate logarithms of p-values, so that scoring, which takes a second, need not wait for SciPy, which takes half of one.

    ``ks``: of Kolmogorov and Smirnov's lambda; ``chi2_1`` to ``chi2_9``, by degrees of freedom: of the root of chi squared.
    """
    from scipy import stats

    roots = np.arange(0, MOST_ROOT, STEP) ** 2
    by_freedom = {f"chi2_{freedom}": stats.chi2.sf(roots, freedom) for freedom in range(1, 10)}
    tables = {"ks": stats.kstwobign.sf(np.arange(0, MOST_LAMBDA, STEP)), **by_freedom}
    return {name: np.log(np.maximum(table, SMALLEST)).astype(np.float32) for name, table in tables.items()}


def to_bytes(profile: Profile) -> bytes:
    """Write a profile, an equal one as equal bytes."""
    arrays: dict[str, Any] = {"version": VERSION, "model_sha256": profile.model_sha256, "priors": profile.priors}
    arrays |= {f"null {name}": table for name, table in profile.nulls.items()}
    for name, one in profile.samples.items():
        counts = [one.rows, *(one.kinds[kind] for kind in KINDS), *one.labels]
        arrays |= {f"values {name}": one.values, f"counts {name}": counts, f"confidence {name}": one.minimum_confidence}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def from_bytes(content: bytes, model_sha256: str) -> Profile:
    """Read the profile of a model. Raises UnfitError where there is none, or one of another version or model."""
    if not content:
        raise UnfitError("this model was registered without a profile: the next one that is registered has one")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            if int(arrays["version"]) != VERSION:
                raise UnfitError(f"the profile of this model is of version {arrays['version']}, not {VERSION}")
            if str(arrays["model_sha256"]) != model_sha256:
                raise UnfitError("the profile beside this model is of another model")
            found = {name: _sample(arrays, name) for name in (VALIDATION, OWN) if f"values {name}" in arrays}
            nulls = {name.removeprefix("null "): arrays[name] for name in arrays.files if name.startswith("null ")}
            return Profile(model_sha256, arrays["priors"], found, nulls)
    except UnfitError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UnfitError(f"the profile of this model cannot be read: {error}") from error


def _sample(arrays: Mapping[str, Any], name: str) -> Sample:
    rows, *counts = arrays[f"counts {name}"].tolist()
    kinds, labels = counts[: len(KINDS)], counts[len(KINDS) :]
    values = arrays[f"values {name}"]
    if values.shape[1:] != (len(COLUMNS),) or len(labels) != 10:
        raise UnfitError("the profile of this model has other columns")
    return Sample(values, np.array(labels), rows, dict(zip(KINDS, kinds, strict=True)), float(arrays[f"confidence {name}"]))
