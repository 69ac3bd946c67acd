"""What decides whether scores are up to date."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import params
from pipeline.registry.contents import ScoringModel
from pipeline.scoring import batch

SETTINGS = params.load(Path(__file__).parents[2] / "params.yaml").score
MODEL = ScoringModel("v1.0.0", b"", "a1", "mnist", 1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.png").touch()
    return tmp_path


def method(folder: Path, settings: params.Score = SETTINGS, model: ScoringModel = MODEL) -> str:
    return batch.prepare(folder, folder / "scores", model, settings).method


@pytest.mark.parametrize(
    ("setting", "value", "changes"),
    [
        ("maximum_error_share", 0.2, False),
        ("shard_size", 7, False),
        ("image_suffixes", [".png"], False),
        ("minimum_confidence", 0.99, True),
        ("maximum_pixels", 10**6, True),
        ("maximum_bytes", 10**6, True),
        ("maximum_seconds", 5, True),
    ],
)
def test_only_the_settings_that_change_a_row_count(folder: Path, setting: str, value: object, changes: bool) -> None:
    before = method(folder)

    assert getattr(SETTINGS, setting) != value
    assert (method(folder, SETTINGS.model_copy(update={setting: value})) != before) == changes


@pytest.mark.parametrize("other", [{"version": "v1.1.0"}, {"sha256": "b2"}, {"temperature": 1.1}])
def test_another_model_counts(folder: Path, other: dict[str, object]) -> None:
    assert method(folder, model=replace(MODEL, **other)) != method(folder)  # type: ignore[arg-type]
