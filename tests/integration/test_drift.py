"""A scored batch is compared with the profile of its model, and says so in its manifest and report."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.datasets import sample
from pipeline.quality import profile
from pipeline.registry import contents
from pipeline.registry.contents import ScoringModel
from pipeline.scoring.manifest import Manifest
from tests.conftest import Project
from tests.scored import Scans

ROWS = 120
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def champion(registered_project: Project) -> ScoringModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(registered_project.root)
        return contents.load("champion")


@pytest.fixture
def scans(registered_project: Project, champion: ScoringModel, tmp_path: Path) -> Scans:
    sample.cut(registered_project.root / "data/arrays.npz", tmp_path / "batch", count=ROWS)
    return Scans(tmp_path / "batch", champion)


def change(scans: Scans, how: Change) -> None:
    for path in scans.folder.iterdir():
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(path), how(np.asarray(picture, np.uint8)))


def page(scans: Scans) -> str:
    return (scans.out / "report.html").read_text(encoding="utf-8")


def test_a_batch_of_test_images_is_as_usual(scans: Scans) -> None:
    manifest = scans.score()

    assert manifest.drift_words == "no drift from the validation images of v1.0.0"
    assert [one["name"] for one in manifest.drift["figures"]] == [*profile.COLUMNS, "digits", *profile.KINDS]
    right = manifest.drift["expected_accuracy"]
    assert right == pytest.approx(np.mean([float(row["confidence"]) for row in scans.rows().values()]), abs=1e-4)
    shares = manifest.drift["shares"]
    assert [one["count"] for one in shares] == [manifest.labels.get(str(digit), 0) for digit in range(10)]
    assert sum(one["estimated"] for one in shares) == pytest.approx(1, abs=0.001)
    assert all(one["low"] <= one["estimated"] <= one["high"] for one in shares)
    assert "no drift from the validation images of v1.0.0" in page(scans)
    assert page(scans).count('class="usual"') == len(profile.COLUMNS) + 1


@pytest.mark.parametrize(
    ("how", "figure"),
    [
        (lambda picture: 255 - picture, "shade"),
        (lambda picture: cv2.resize(picture, None, fx=4, fy=4), "side"),
        (lambda picture: cv2.GaussianBlur(picture, (0, 0), 1.5), "contrast"),
        (lambda picture: np.full_like(picture, 250), "blank"),
    ],
)
def test_a_batch_of_other_pictures_has_drifted(scans: Scans, how: Change, figure: str) -> None:
    change(scans, how)

    manifest = scans.score()

    assert manifest.has_drifted
    assert figure in manifest.drift["drifted"]
    assert "▲ drifted" in page(scans)


def test_a_batch_that_cannot_be_read_has_drifted(scans: Scans) -> None:
    for path in scans.folder.iterdir():
        path.write_bytes(b"no picture")

    manifest = scans.score()

    assert manifest.drift["drifted"] == ["review", "unreadable"]
    assert not manifest.drift.keys() & {"expected_accuracy", "shares"}
    assert "▲ drifted" in page(scans)


def test_a_batch_of_one_digit_is_told_by_its_digits(scans: Scans, registered_project: Project) -> None:
    first = next(scans.folder.iterdir()).read_bytes()
    for path in scans.folder.iterdir():
        path.write_bytes(first)

    manifest = scans.score()

    assert "digits" in manifest.drift["drifted"]
    assert max(one["estimated"] for one in manifest.drift["shares"]) > 0.9


def test_a_few_pictures_are_too_few_to_tell(scans: Scans) -> None:
    for path in sorted(scans.folder.iterdir())[10:]:
        path.unlink()

    manifest = scans.score()

    assert manifest.drift_words == "drift unknown: 10 rows are too few to tell, 100 are enough"
    assert len(manifest.drift["shares"]) == 10
    assert manifest.drift_words in page(scans)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda _: b"", "this model was registered without a profile"),
        (lambda content: content[:1000], "the profile of this model cannot be read"),
        (
            lambda content: profile.to_bytes(replace(profile.from_bytes(content[0], content[1]), model_sha256="other")),
            "the profile beside this model is of another model",
        ),
    ],
)
def test_a_profile_that_does_not_fit_leaves_drift_unknown(
    scans: Scans, champion: ScoringModel, content: Callable[..., bytes], words: str
) -> None:
    given = (champion.profile, champion.sha256) if "another" in words else champion.profile
    scans.model = replace(champion, profile=content(given))

    manifest = scans.score()

    assert manifest.drift_words.startswith(f"drift unknown: {words}")
    assert manifest.drift["expected_accuracy"] > 0.5
    assert manifest.drift_words in page(scans)


def test_a_batch_that_grew_is_compared_as_one_that_was_scored_at_once(scans: Scans, tmp_path: Path) -> None:
    held = sorted(scans.folder.iterdir())[:60]
    for path in held:
        path.rename(tmp_path / path.name)
    scans.score()
    for path in held:
        (tmp_path / path.name).rename(path)

    grown, fresh = scans.score(), scans.score(out=tmp_path / "fresh")

    assert (grown.reused, grown.scored) == (60, 60)
    assert grown.drift == fresh.drift


def test_rows_of_an_earlier_version_are_compared_by_what_they_have(scans: Scans) -> None:
    scans.score()
    with closing(sqlite3.connect(scans.out / "scores.db")) as connection:
        connection.executescript("alter table row drop column traits; pragma user_version = 2; pragma journal_mode = delete")
    scans.add("new.png")

    manifest: Manifest = scans.score()

    assert (manifest.reused, manifest.scored) == (ROWS, 1)
    assert [one["name"] for one in manifest.drift["figures"]] == ["digits", *profile.KINDS]
