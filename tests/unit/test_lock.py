"""What ``dvc.lock`` vouches for is held to it."""

import shutil
from pathlib import Path

import pytest

from pipeline import lock
from pipeline.errors import PipelineError

MODEL = Path("models/digit-cnn")
# As DVC 3 wrote it for a folder with the file `model.tflite`, holding `abc`, and `b/c`, holding nothing.
RECORDED = "5e931e908d138d7a8b4f5d00197ae52b.dir"


@pytest.fixture
def model(in_folder: Path) -> Path:
    """A folder of a model, recorded in dvc.lock."""
    (in_folder / MODEL / "b").mkdir(parents=True)
    (in_folder / MODEL / "model.tflite").write_text("abc")
    (in_folder / MODEL / "b/c").touch()
    (in_folder / "dvc.lock").write_text(
        f"schema: '2.0'\nstages:\n  ingest: {{cmd: x}}\n  train:\n    outs:\n    - {{path: {MODEL}, md5: {RECORDED}}}\n"
    )
    return in_folder / MODEL


def test_the_recorded_folder_passes(model: Path) -> None:
    assert model.exists()

    lock.require_recorded(MODEL)


@pytest.mark.parametrize("change", ["other bytes", "a file more", "a file less"])
def test_another_folder_than_the_recorded_one_is_refused_with_the_way_back(model: Path, change: str) -> None:
    if change == "other bytes":
        (model / "model.tflite").write_text("abd")
    elif change == "a file more":
        (model / "more").touch()
    else:
        (model / "b/c").unlink()

    words = rf"^{MODEL}: its hash is .{{8}}…, dvc\.lock says {RECORDED[:8]}…: refused\."
    with pytest.raises(PipelineError, match=words) as raised:
        lock.require_recorded(MODEL)

    assert f"`dvc checkout --force {MODEL}`" in str(raised.value)


def test_a_folder_that_is_missing_is_left_to_whoever_reads_it(model: Path) -> None:
    shutil.rmtree(model)

    lock.require_recorded(MODEL)


@pytest.mark.parametrize("text", [None, "", "schema: '2.0'\n", "stages:\n  train: {outs: []}\n"])
def test_where_nothing_is_recorded_any_folder_passes(model: Path, text: str | None) -> None:
    place = model.parents[1] / "dvc.lock"
    place.unlink() if text is None else place.write_text(text)

    lock.require_recorded(MODEL)
