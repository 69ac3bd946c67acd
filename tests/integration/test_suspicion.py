"""A batch that as a whole is not what it should be says so in its manifest, and a batch of digits does not."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import params
from pipeline.datasets import sample
from pipeline.registry.contents import ScoringModel
from pipeline.scoring import batch as batches
from pipeline.scoring import run
from pipeline.scoring.manifest import Manifest, read
from tests.conftest import ROOT, Project

SETTINGS = params.load(ROOT / "params.yaml").score.model_copy(update={"minimum_confidence": 0.0})
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.fixture
def folder(registered_project: Project, tmp_path: Path) -> Path:
    sample.cut(registered_project.root / "data/arrays.npz", tmp_path / "batch", count=20)
    return tmp_path / "batch"


def scored(folder: Path, model: ScoringModel) -> Manifest:
    out = folder.parent / "scores"
    manifest = run.score(batches.prepare(folder, out, model, SETTINGS), model, lambda _: None)
    written = read(out)
    assert written is not None
    assert written.suspicions == manifest.suspicions
    return written


def change(folder: Path, count: int, how: Change) -> None:
    random = np.random.default_rng(0)
    for path in sorted(folder.iterdir())[:count]:
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        cv2.imwrite(str(path), how(np.asarray(picture, np.uint8), random))


def blank(picture: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.full_like(picture, 250)


def framed(picture: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.pad(255 - picture, 20, constant_values=255)


def noise(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return random.integers(0, 256, (28, 28), dtype=np.uint8)


def test_a_batch_of_digits_is_not_suspicious(folder: Path, champion: ScoringModel) -> None:
    assert scored(folder, champion).suspicions == {}


@pytest.mark.parametrize(
    ("how", "name", "words"),
    [
        (blank, "MostlyBlank", "12 of 20 pictures are blank: "),
        (framed, "MostlyInverted", "12 of 20 pictures are full of ink: "),
        (noise, "MostlyNotDigits", "12 of 20 pictures are not sure to be a digit: "),
    ],
)
def test_what_most_pictures_are_is_said(folder: Path, champion: ScoringModel, how: Change, name: str, words: str) -> None:
    change(folder, 12, how)

    suspicions = scored(folder, champion).suspicions

    assert list(suspicions) == [name]
    assert suspicions[name].startswith(words)


def test_what_half_of_the_pictures_are_is_not_said(folder: Path, champion: ScoringModel) -> None:
    change(folder, 10, blank)

    assert scored(folder, champion).suspicions == {}


def test_one_picture_under_many_names_is_found_by_its_pixels(folder: Path, champion: ScoringModel) -> None:
    paths = sorted(folder.iterdir())
    for path in paths[:12]:
        path.write_bytes(paths[-1].read_bytes())
    repacked = cv2.imread(str(paths[0]), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(paths[0]), np.asarray(repacked), [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert paths[0].read_bytes() != paths[1].read_bytes()

    suspicions = scored(folder, champion).suspicions

    assert list(suspicions) == ["MostlyIdentical"]
    assert suspicions["MostlyIdentical"].startswith("13 of 20 pictures that were compared are the same to the pixel")


def test_pictures_that_read_alike_are_not_the_same(folder: Path, champion: ScoringModel) -> None:
    paths = sorted(folder.iterdir())
    picture = np.asarray(cv2.imread(str(paths[-1]), cv2.IMREAD_GRAYSCALE), np.uint8)
    for number, path in enumerate(paths):
        page = np.full((100, 100), 255, np.uint8)
        page[10 + number : 38 + number, 30:58] = picture
        cv2.imwrite(str(path), page)

    manifest = scored(folder, champion)

    assert manifest.labels[max(manifest.labels, key=manifest.labels.__getitem__)] == 20
    assert manifest.suspicions == {}


def test_few_pictures_are_not_judged(folder: Path, champion: ScoringModel) -> None:
    for path in sorted(folder.iterdir())[9:]:
        path.unlink()
    change(folder, 9, blank)

    assert scored(folder, champion).suspicions == {}
