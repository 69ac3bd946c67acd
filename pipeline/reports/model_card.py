"""The model card in the project's root: what the model was trained on, what it reads, and where it fails.

It is made of what Git keeps: metrics, plots and settings. The same of these give the same card.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import atomic, layout
from pipeline.errors import PipelineError
from pipeline.params import Params
from pipeline.reports import html

PAGE = Path("MODEL_CARD.md")
TEMPLATE = "model_card.md.jinja"
MOST_CONFUSIONS = 8


def write(settings: Params) -> Path:
    """Write the card of the model that the stages left, and give its place. Raises PipelineError, also if they left none."""
    try:
        content = text(settings)
    except (OSError, ValueError, KeyError) as error:
        raise PipelineError(f"nothing to write {PAGE} of: {error}. Run `dvc repro` first.") from error
    atomic.write_text(PAGE, content)
    return PAGE


def text(settings: Params) -> str:
    """Give the card's text. Raises OSError, ValueError or KeyError where metrics or plots are not as the stages leave them."""
    metrics = json.loads(layout.METRICS.read_text(encoding="utf-8"))
    slices = json.loads(layout.SLICES.read_text(encoding="utf-8"))
    recipe = getattr(settings.train, settings.train.architecture)
    return html.load(TEMPLATE).render(
        metrics=metrics,
        slices=sorted(slices.items(), key=lambda one: one[1]["accuracy"]),
        digits=pd.read_csv(layout.PLOTS / layout.CLASSES).to_dict("records"),
        confusions=_confusions(),
        train=settings.train,
        epochs=settings.train.epochs or recipe.epochs,
        is_augmented=hasattr(recipe, "augmentation"),
        validation_share=settings.reshape.validation_share,
        minimum_confidence=settings.score.minimum_confidence,
        slice_images=min(settings.evaluate.slice_images, metrics["images"]),
    )


def _confusions() -> list[dict[str, Any]]:
    """Give the most frequent errors: ``actual``, ``predicted`` and how many ``images``."""
    answers = pd.read_csv(layout.PLOTS / layout.CONFUSION)
    wrong = answers[answers["actual"] != answers["predicted"]].value_counts().reset_index(name="images")
    ordered = wrong.sort_values(["images", "actual", "predicted"], ascending=[False, True, True])
    return list(ordered.head(MOST_CONFUSIONS).to_dict("records"))  # type: ignore[arg-type]
