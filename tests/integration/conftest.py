"""What the integration tests share: a champion, and a folder of pictures for it."""

import shutil
from pathlib import Path

import pytest

from pipeline.datasets import sample
from pipeline.registry import contents
from pipeline.registry.contents import ScoringModel
from tests.conftest import Project, copy_project
from tests.scored import IMAGES, Scans


@pytest.fixture(scope="module")
def champion_project(registered_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a champion, of which only what it keeps of that changes."""
    return copy_project(registered_project, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def champion(champion_project: Project) -> ScoringModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(champion_project.root)
        return contents.load("champion")


@pytest.fixture(scope="module")
def sampled(champion_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "batch"
    sample.cut(champion_project.root / "data/arrays.npz", folder, count=IMAGES)
    return folder


@pytest.fixture
def scans(sampled: Path, champion: ScoringModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scans:
    monkeypatch.chdir(tmp_path)
    return Scans(Path(shutil.copytree(sampled, tmp_path / "batch")), champion)
