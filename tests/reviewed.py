"""A scored batch for a person to look at: everything in it is doubtful."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline import params
from pipeline.registry.contents import ScoringModel
from pipeline.scoring import batch as batches
from pipeline.scoring import run
from pipeline.scoring.batch import Options
from tests.conftest import ROOT

BATCH, OUT = Path("data/inbox/batch"), Path("data/scores/batch")
SETTINGS = params.load(ROOT / "params.yaml").score.model_copy(update={"minimum_confidence": 1.0})


def score(out: Path, model: ScoringModel, **options: Any) -> None:
    """Score the batch of the working folder."""
    run.score(batches.prepare(BATCH, out, model, SETTINGS, Options(**options)), model, lambda _: None)


def copied(root: Path, folder: Path) -> None:
    """Copy the batch of a project into a folder, with its scores, and what commands need beside it."""
    for place in (BATCH, OUT):
        shutil.copytree(root / place, folder / place)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(root / name, folder)


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Work in a folder for the length of a block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield
