"""The page of a training: what the gate says, how it went, where the model errs, what made it, and how to make it again."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from pipeline import layout
from pipeline.datasets import dataset
from pipeline.datasets.dataset import Dataset
from pipeline.digits.arrays import Images
from pipeline.digits.network import metrics
from pipeline.digits.network.slices import SLICES
from pipeline.errors import PipelineError
from pipeline.reports import charts, html

PAGE = layout.REPORTS / "training.html"
MOST_ERRORS = 100
# This many test images show what a slice does to a digit.
EXAMPLES = 3


@dataclass(frozen=True)
class Origin:
    """What the model in the workspace is, and what made it.

    ``version``: as which it is registered, or None; ``verdict``: the gate's, in lines; ``made_from``: hashes of code, data and
    model; ``parameters``: the settings of the stages; ``commands``: how to make it again; ``changed``: uncommitted files.
    """

    name: str
    version: str | None
    verdict: str
    made_from: dict[str, str | None]
    parameters: dict[str, Any]
    commands: list[str]
    changed: list[str]


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
        metrics=summary,
        card=card,
        curves=charts.learning_curves(curves),
        confusion=charts.confusion(data.test_labels, answers),
        calibration=charts.calibration(reliability),
        slices=[(name, row, _spoilt(data.test_images, name)) for name, row in by_slice.items()],
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


def _spoilt(test_images: Images, name: str) -> list[str]:
    """Draw what a slice does to the first test images."""
    random = np.random.default_rng(0)
    return [_address(SLICES[name](image[..., 0], random)) for image in test_images[:EXAMPLES]] if name in SLICES else []


def _address(content: bytes) -> str:
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
