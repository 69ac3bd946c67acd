"""Where everything lies, relative to the project's root."""

import os
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.names import shown

PARAMS = Path("params.yaml")
STAGES = Path("dvc.yaml")
DVC_LOCK = Path("dvc.lock")

MIRROR = Path("data/mirror")
RAW = Path("data/raw")
VALIDATION = Path("data/validation")
LABELLED = Path("data/labelled")
COLLECTED = Path("data/collected")
OWN = Path("data/own.npz")
ARRAYS = Path("data/arrays.npz")
MODEL = Path("models/digit-cnn")
CURVES = Path("metrics/learning_curves.csv")
METRICS = Path("metrics/evaluation.json")
SLICES = Path("metrics/slices.json")
PREDICTIONS = Path("metrics/predictions.csv")
PROFILE = Path("metrics/profile.npz")
PLOTS = Path("plots")

AUDITS = Path("data/audits")
INBOX = Path("data/inbox")
SCORES = Path("data/scores")
REPORTS = Path("reports")

KERAS_MODEL = "model.keras"
SCORING_MODEL = "model.tflite"
MODEL_CARD = "model.json"
REPORT = "report.json"
REPORT_PAGE = "report.html"
VERDICT = "verdict.json"
DATA_DOCS = "data-docs"
SUMMARY = "summary.json"
ANSWERS = "answers.db"
LEFT_OUT = "left_out.csv"
CONFUSION = "confusion.csv"
CLASSES = "classes.csv"
RELIABILITY = "reliability.csv"
SLICES_TABLE = "slices.csv"

# The way from the root to where the user stood when a command began.
stood_in = Path()


def address_of(given: Path) -> str:
    """Give the address that a path was made from, such as ``s3://bucket/folder``; nothing for a path on this machine."""
    scheme, slash, rest = str(given).partition(":/")
    if not slash or len(scheme) == 1 or not scheme.replace("+", "").isalnum():
        return ""
    return f"{scheme}:///{rest}" if scheme in ("file", "local") else f"{scheme}://{rest}"


def words_of(given: Path) -> str:
    """Say where something is that is scored."""
    return address_of(given) or shown(place_of(given))


def place_of(given: Path) -> Path:
    """Give a folder's path from the project's root where it lies in it, so that a project knows its own after a move."""
    root, place = Path.cwd(), given.resolve()
    return place.relative_to(root) if place.is_relative_to(root) else place


def scores_of(given: Path) -> Path:
    """Give the folder that scores go to unless told otherwise: ``data/scores/NAME``, for a list ``NAME.txt`` too."""
    place = given.resolve()
    return SCORES / ((place.name if place.is_dir() else place.stem) or "root")


def enter_root() -> None:
    """Go to the root of the project that the working folder lies in, and keep in ``stood_in`` where that was.

    Raises PipelineError where no folder above is a project.
    """
    global stood_in  # noqa: PLW0603 - one process has one user
    here = Path.cwd()
    for root in (here, *here.parents):
        if all((root / path).is_file() for path in (PARAMS, STAGES)):
            os.chdir(root)
            stood_in = here.relative_to(root)
            return
    raise PipelineError(
        f"{shown(here)}: no project, here or in a folder above: none has a {PARAMS} and a {STAGES}. "
        f"Go to the folder that you cloned the project into, and run this again."
    )


def require_root() -> None:
    """Raise PipelineError when the working folder is not the project's root, which every path here starts from."""
    missing = [str(path) for path in (PARAMS, STAGES) if not path.is_file()]
    if missing:
        raise PipelineError(
            f"{shown(Path.cwd())}: not the project's root, it has no {' and no '.join(missing)}. "
            f"Run this in the project's root folder."
        )
