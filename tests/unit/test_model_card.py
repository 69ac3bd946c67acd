"""The model card: made of metrics, plots and settings alone."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import layout, params
from pipeline.errors import PipelineError
from pipeline.reports import model_card
from tests.conftest import ROOT

KEPT = ["metrics", "plots", "params.yaml", "dvc.yaml", "MODEL_CARD.md"]


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Git keeps of the real run, in a folder of its own."""
    archive = subprocess.run(["git", "archive", "HEAD", *KEPT], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=tmp_path, input=archive, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_card_that_is_committed_is_that_of_the_committed_metrics(committed: Path) -> None:
    shown = (committed / "MODEL_CARD.md").read_text()

    assert model_card.text(params.load(layout.PARAMS)) == shown
    metrics = json.loads(layout.METRICS.read_text())
    assert f"| accuracy | {100 * metrics['accuracy']:.2f} % " in shown
    worst = shown.split("| spoilt |")[1].splitlines()[2]
    assert worst.startswith(f"| `{metrics['worst_slice']}` | {100 * metrics['worst_accuracy']:.2f} % |")


def test_own_scans_and_a_recipe_without_augmentation_are_said(committed: Path) -> None:
    metrics = json.loads(layout.METRICS.read_text())
    layout.METRICS.write_text(json.dumps(metrics | {"own_accuracy": 0.9876}))
    settings = params.load(layout.PARAMS)
    settings = replace(settings, train=settings.train.model_copy(update={"architecture": "plain", "epochs": 3}))

    model_card.write(settings)

    text = (committed / "MODEL_CARD.md").read_text()
    assert "| accuracy on own scans that it was not trained on | 98.76 % |" in text
    assert "3 epochs from the seed 1.\n" in text
    assert "scans of the user's own" in text


def test_before_there_are_metrics_one_line_says_what_to_do(committed: Path) -> None:
    before = (committed / "MODEL_CARD.md").read_text()
    layout.METRICS.unlink()

    with pytest.raises(
        PipelineError, match=r"^nothing to write MODEL_CARD.md of: .*evaluation.json.* Run `dvc repro` first\.$"
    ):
        model_card.write(params.load(layout.PARAMS))

    assert (committed / "MODEL_CARD.md").read_text() == before
