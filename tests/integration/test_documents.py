"""Files of many pages: a row for each page, in order, and files and rows counted apart."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import params
from pipeline.console import words
from pipeline.datasets import sample
from pipeline.errors import PipelineError
from pipeline.quality import folders
from pipeline.registry import contents, difference
from pipeline.registry.contents import ScoringModel
from pipeline.reports import html
from pipeline.scoring import batch as batches
from pipeline.scoring import run
from pipeline.scoring.batch import Options
from pipeline.scoring.manifest import Manifest
from tests.conftest import ROOT, Project, copy_project

PARAMS = params.load(ROOT / "params.yaml")
SETTINGS = PARAMS.score.model_copy(update={"maximum_pages": 4, "pdf_resolution": 72, "maximum_error_share": 1.0})
# The pages of each file, in the order of the rows; the third page of the second is broken, and the last has too many.
PAGES = {"a.png": 1, "b.tif": 3, "c.pdf": 2, "d.png": 1, "many.tif": 5}


@pytest.fixture(scope="module")
def champion(registered_project: Project, tmp_path_factory: pytest.TempPathFactory) -> ScoringModel:
    project = copy_project(registered_project, tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        return contents.load("champion")


@pytest.fixture(scope="module")
def digits(registered_project: Project, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    folder = tmp_path_factory.mktemp("sample") / "batch"
    sample.cut(registered_project.root / "data/arrays.npz", folder, count=30)
    return [np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8) for path in sorted(folder.iterdir())]


@pytest.fixture
def folder(digits: list[np.ndarray], tmp_path: Path) -> Path:
    folder = tmp_path / "batch"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), digits[0])
    cv2.imwrite(str(folder / "d.png"), digits[6])
    cv2.imwritemulti(str(folder / "many.tif"), digits[7:20])
    cv2.imwritemulti(str(folder / "b.tif"), digits[1:4], [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    content = (folder / "b.tif").read_bytes()
    (folder / "b.tif").write_bytes(content.replace(digits[3].tobytes(), b""))  # and its list of pages, behind it
    first, second = (Image.fromarray(digit) for digit in digits[4:6])
    first.save(folder / "c.pdf", save_all=True, append_images=[second], resolution=72)
    return folder


def score(folder: Path, model: ScoringModel, tell: run.Tell = lambda _: None, **options: Any) -> Manifest:
    shard_size = options.pop("shard_size", 500)
    settings = SETTINGS.model_copy(update={"shard_size": shard_size})
    batch = batches.prepare(folder, folder.parent / "scores", model, settings, Options(**options))
    return batch.finished or run.score(batch, model, tell)


def rows(folder: Path, name: str = "scores.csv") -> list[dict[str, str]]:
    with (folder.parent / "scores" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_page_has_a_row_in_order_and_rows_and_files_are_counted_apart(folder: Path, champion: ScoringModel) -> None:
    told: list[run.Progress] = []

    manifest = score(folder, champion, told.append)

    written = rows(folder)
    assert [(row["file"], int(row["page"])) for row in written] == [
        (name, page) for name, count in PAGES.items() for page in range(1, count + 1)
    ]
    assert {(row["file"], row["page"]) for row in written if row["status"] == "error"} == {("b.tif", "3"), ("many.tif", "5")}
    assert written[-1]["reason"] == "more than 4 pages: this one and those after it are not read"
    assert (manifest.rows, manifest.files, manifest.scored) == (12, 5, 5)
    assert sum(manifest.statuses.values()) == 12
    assert manifest.file_statuses == {
        status: len({row["file"] for row in written if row["status"] == status}) for status in manifest.statuses
    }
    assert manifest.size_words == "12 images of 5 files"
    assert words(told[-1], 1).startswith("5 of 5 files, 12 images/s, 0 s left: ")
    assert len(rows(folder, "review.csv")) == manifest.statuses.get("review", 0)
    lines = [json.loads(line)[:2] for line in html.lines_of(folder.parent / "scores" / "report.html")]
    assert lines == [[row["file"], int(row["page"])] for row in written]
    assert "From 5 files in" in (folder.parent / "scores" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("options", [{"shard_size": 1}, {"shard_size": 2, "workers": 2}])
def test_the_rows_are_the_same_for_any_size_of_shards(folder: Path, champion: ScoringModel, options: dict[str, Any]) -> None:
    score(folder, champion)
    whole = rows(folder)
    shutil.rmtree(folder.parent / "scores")

    score(folder, champion, **options)

    assert rows(folder) == whole


def test_only_files_that_changed_are_read_again_with_all_their_pages(
    folder: Path, champion: ScoringModel, digits: list[np.ndarray]
) -> None:
    score(folder, champion)
    before = rows(folder)
    cv2.imwritemulti(str(folder / "b.tif"), digits[20:22])

    manifest = score(folder, champion)

    after = rows(folder)
    assert (manifest.reused, manifest.scored, manifest.rows, manifest.files) == (4, 1, 11, 5)
    assert [row for row in after if row["file"] != "b.tif"] == [row for row in before if row["file"] != "b.tif"]
    assert [row["page"] for row in after if row["file"] == "b.tif"] == ["1", "2"]
    lines = [json.loads(line)[:2] for line in html.lines_of(folder.parent / "scores" / "report.html")]
    assert sorted(lines) == [[row["file"], int(row["page"])] for row in after]


def test_a_run_that_is_interrupted_between_pages_of_two_files_goes_on(folder: Path, champion: ScoringModel) -> None:
    whole = rows(folder) if score(folder, champion) else []
    shutil.rmtree(folder.parent / "scores")
    left = [2]

    def stop(_: run.Progress) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(folder, champion, stop, shard_size=1)
    manifest = score(folder, champion, shard_size=1)

    assert (manifest.resumed, manifest.scored) == (2, 3)
    assert rows(folder) == whole


def test_two_models_are_compared_page_by_page(folder: Path, champion: ScoringModel, tmp_path: Path) -> None:
    sure, unsure = replace(champion, temperature=0.01), replace(champion, version="v9.0.0", temperature=50.0)

    found = difference.measure([folder], (sure, unsure), SETTINGS, lambda _: None, tmp_path / "out")

    with found.file.open(encoding="utf-8", newline="") as file:
        changed = [(row["file"], int(row["page"])) for row in csv.DictReader(file)]
    there = [(row.name, page) for row in [*folder.iterdir()] for page in range(1, 6) if (row.name, page) in changed]
    assert found.rows == 12
    assert sorted(there) == sorted(changed)
    assert [page for name, page in changed if name == "many.tif"] == [1, 2, 3, 4]
    assert [tuple(json.loads(line)[:2]) for line in html.lines_of(found.page)] == changed

    score(folder, champion)
    first = batches.prepare(folder, folder.parent / "scores", champion, SETTINGS)
    (folder / "a.png").unlink()
    second = batches.prepare(folder, tmp_path / "other", champion, SETTINGS)
    run.score(second, champion, lambda _: None)
    with pytest.raises(PipelineError, match="changed while it was scored"):
        list(difference._changed(first, second))


def test_a_document_of_one_page_again_and_again_is_suspicious(
    tmp_path: Path, champion: ScoringModel, digits: list[np.ndarray]
) -> None:
    (tmp_path / "batch").mkdir()
    cv2.imwritemulti(str(tmp_path / "batch" / "a.tif"), [digits[0]] * 20)
    settings = PARAMS.score.model_copy(update={"minimum_confidence": 0.0})
    batch = batches.prepare(tmp_path / "batch", tmp_path / "scores", champion, settings)

    manifest = run.score(batch, champion, lambda _: None)

    assert list(manifest.suspicions) == ["MostlyIdentical"]
    assert "20 of 20" in manifest.suspicions["MostlyIdentical"]


def test_a_folder_is_checked_page_by_page(folder: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"maximum_error_share": 0.0})

    verdict = folders.check_folder(folder, tmp_path / "checked", settings, PARAMS.validate, print)

    failures = {one.expectation: one for one in verdict.failures}
    unreadable = failures["no_file_is_unreadable"]
    assert (unreadable.count, [row["name"] for row in unreadable.offending]) == (5, ["b.tif", "many.tif"])
    assert unreadable.offending[0]["value"].startswith("page 3: broken image: ")
