"""The page of a training: what the gate says, how it went, where the model errs, what made it, and how to make it again."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import layout
from pipeline.datasets import dataset
from pipeline.datasets.dataset import Dataset
from pipeline.digits.arrays import Images, Labels
from pipeline.digits.network import metrics
from pipeline.digits.network.slices import OWN, SLICES, plain
from pipeline.errors import PipelineError
from pipeline.reports import charts, html, verdict

PAGE = layout.REPORTS / "training.html"
MOST_ERRORS = 100
# This many test images show what a slice does to a digit.
EXAMPLES = 3


@dataclass(frozen=True)
class OwnTest:
    """Own scans that no model was trained on: ``images`` (N, 28, 28) uint8 and ``labels`` (N,), and what was read in them.

    ``after`` (N,): by the model of the workspace; ``before``: by the ``champion`` before it, None where it cannot be asked.
    """

    images: Images
    labels: Labels
    after: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64] | None
    champion: str

    def by_digit(self) -> list[tuple[str, int, int | None, int]]:
        """Count scans, and those that were read right before and after: for each digit, then for all."""
        groups = {str(digit): self.labels == digit for digit in range(10)} | {"all": np.full(len(self.labels), True)}
        return [
            (
                name,
                int(chosen.sum()),
                None if self.before is None else self._right(self.before, chosen),
                self._right(self.after, chosen),
            )
            for name, chosen in groups.items()
        ]

    def only_one_reads(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Give the scans that only this model reads, and those that only the one before reads, each with the other's answer."""
        if self.before is None:
            return []
        is_right = self.after == self.labels, self.before == self.labels
        return [
            (words, [self._shown(number, other[number]) for number in np.flatnonzero(one & ~two).tolist()])
            for words, one, two, other in (
                (f"Only this model reads, and {self.champion} does not", *is_right, self.before),
                (f"Only {self.champion} reads, and this model does not", *is_right[::-1], self.after),
            )
        ]

    def _right(self, answers: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]) -> int:
        return int((answers == self.labels)[chosen].sum())

    def _shown(self, number: int, answered: int) -> dict[str, Any]:
        picture = _address(cv2.imencode(".png", self.images[number])[1].tobytes())
        return {"picture": picture, "actual": int(self.labels[number]), "answered": int(answered)}


@dataclass(frozen=True)
class Origin:
    """What the model in the workspace is, and what made it.

    ``version``: as which it is registered, or None; ``is_champion``: today; ``verdict``: the gate's, None where it was
    not asked; ``made_from``: hashes of code, data and model; ``parameters``: the settings of the stages; ``commands``: how to
    make it again; ``changed``: uncommitted files; ``own``: what own scans brought, None where there are none.
    """

    name: str
    version: str | None
    is_champion: bool
    verdict: dict[str, Any] | None
    made_from: dict[str, str | None]
    parameters: dict[str, Any]
    commands: list[str]
    changed: list[str]
    own: OwnTest | None


def write(origin: Origin) -> Path:
    """Write the page about what the stages left, and give its place. Raises PipelineError, also if they left nothing."""
    try:
        summary = json.loads(layout.METRICS.read_text(encoding="utf-8"))
        by_slice = json.loads(layout.SLICES.read_text(encoding="utf-8"))
        card = json.loads((layout.MODEL / layout.MODEL_CARD).read_text(encoding="utf-8"))
        curves = pd.read_csv(layout.CURVES)
        predictions = pd.read_csv(layout.PREDICTIONS)
        reliability = pd.read_csv(layout.PLOTS / layout.RELIABILITY)
    except (OSError, ValueError) as error:
        raise PipelineError(f"nothing to report on: {error}. Run `dvc repro` first.") from error
    data = dataset.read(layout.ARRAYS)
    if data.test_set != summary["test_set"] or len(predictions) != len(data.test_labels):
        raise PipelineError(f"{layout.ARRAYS}: not what {layout.METRICS} was measured on. Run `dvc repro` first.")
    logits = predictions.filter(regex="^logit_[0-9]$").to_numpy(np.float32)
    answers, confidence = metrics.answers_and_confidence(logits, float(card.get("temperature", 1)))
    errors = list(_errors(data, answers, confidence))
    page = html.render(
        "training.html.jinja",
        title=f"{origin.name} {origin.version or 'not registered'}, trained on {summary['dataset']}",
        origin=origin,
        headline=verdict.headline(origin.version, origin.verdict, is_champion=origin.is_champion),
        bounds=verdict.bounds(origin.verdict),
        remarks=verdict.remarks(origin.verdict),
        metrics=summary,
        card=card,
        curves=charts.learning_curves(curves),
        confusion=charts.confusion(data.test_labels, answers),
        calibration=charts.calibration(reliability),
        slices=[(name, row, _examples(data.test_images, origin.own, name)) for name, row in by_slice.items()],
        slice_images=origin.parameters.get("evaluate.slice_images", summary["images"]),
        errors=errors[:MOST_ERRORS],
        error_count=len(errors),
    )
    html.write(PAGE, page)
    return PAGE


def _errors(data: Dataset, answers: np.ndarray, confidence: np.ndarray) -> Iterator[dict[str, Any]]:
    """Give the images that were read wrong, those with the highest confidence first, each with its picture as a data URL."""
    wrong = np.flatnonzero(answers != data.test_labels)
    for number in wrong[np.argsort(-confidence[wrong], kind="stable")].tolist():
        picture = _address(cv2.imencode(".png", data.test_images[number])[1].tobytes())
        read = {"actual": data.test_labels[number], "answered": answers[number], "confidence": confidence[number]}
        yield {"number": number, "picture": picture, **read}


def _examples(test_images: Images, own: OwnTest | None, name: str) -> list[str]:
    """Draw what a slice does to the first test images, or the first own scans."""
    random = np.random.default_rng(0)
    change = SLICES.get(name, plain)
    images = test_images[..., 0] if name in SLICES else own.images if name == OWN and own else test_images[:0, ..., 0]
    return [_address(change(image, random)) for image in images[:EXAMPLES]]


def _address(content: bytes) -> str:
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
