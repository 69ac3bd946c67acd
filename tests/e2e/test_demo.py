"""The README's commands, run as a new user would."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from flows.demo import CLONE
from tests.conftest import ROOT, Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(fresh_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone of the project as it stands, with the environment that these tests run in."""
    base = tmp_path_factory.mktemp("clone")
    project = Project(base / "digit-pipeline", base / "home")
    project.home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(fresh_project.root), str(project.root)], check=True)
    project.git("checkout", "--quiet", "HEAD~1")
    with (project.root / ".git/info/exclude").open("a") as exclude:
        exclude.write("/.venv\n")  # as a link it is not the folder that .gitignore names
    (project.root / ".venv").symlink_to(sys.prefix)
    return project


@pytest.fixture(scope="module")
def callers(clone: Project) -> Project:
    """A repository that the demo is called from, as from one of its hooks."""
    project = Project(clone.home / "callers", clone.home)
    project.root.mkdir()
    project.git("init", "--quiet")
    return project


@pytest.fixture(scope="module")
def demo(clone: Project, callers: Project) -> str:
    """What ``make demo`` printed."""
    git = callers.root / ".git"
    started = time.monotonic()
    # -o: the environment is there already.
    done = clone.run(
        *("make", "-o", ".venv/ready", "demo"),
        GIT_DIR=str(git),
        GIT_WORK_TREE=str(callers.root),
        GIT_INDEX_FILE=str(git / "index.lock"),
    )
    print(f"make demo took {time.monotonic() - started:.0f} s")
    return done.stdout


def masked(text: str) -> str:
    """Put # for what differs between runs and processors: numbers, hashes, the worst slice; leave out rows for review."""
    return re.sub(r"[0-9a-f]{12}|\d+|(?<=when )\w+", "#", re.sub(r"(?<= ok), \d+ review|\s+", " ", text))


def test_the_demo_prints_what_the_readme_shows(demo: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```console\n\$ make demo\n[^\n]*\n(.*?)```", readme, re.DOTALL)

    printed = demo[demo.index("\nmodel ") :]
    assert masked(shown).split() == masked(printed).split()
    assert max(map(len, printed.splitlines())) <= 80


def test_the_verdict_of_the_demo_is_what_its_files_say(clone: Project, demo: str) -> None:
    made = clone.root / CLONE
    metrics = json.loads((made / "metrics/evaluation.json").read_text(encoding="utf-8"))
    counts = pd.read_csv(made / "data/scores/demo/scores.csv").status.value_counts().sort_index()

    assert f"accuracy  {metrics['accuracy']:.4f} of {metrics['images']} test images of load_digits; " in demo
    assert f"; {metrics['worst_accuracy']:.4f} when {metrics['worst_slice']}\n" in demo
    assert f"scores.csv: {', '.join(f'{count} {status}' for status, count in counts.items())}\n" in demo


def test_the_demo_leaves_the_users_things_alone(clone: Project, callers: Project, demo: str) -> None:
    assert demo
    assert callers.git("for-each-ref") == callers.git("config", "user.email", check=False) == ""
    assert clone.git("status", "--porcelain") == ""
    assert clone.git("tag") == ""
    assert not (clone.root / "data/scores").exists()
    assert not (clone.root / "models").exists()
    assert not (clone.home / ".prefect").exists()


def test_the_files_that_the_demo_names_are_there(clone: Project, demo: str) -> None:
    named = re.findall(r"\.demo/digit-pipeline/[^\s:]+", demo[demo.index("\nmodel ") :])

    assert len(named) == 7
    assert all((clone.root / Path(name)).exists() for name in named)


def test_help_lists_every_target(clone: Project) -> None:
    shown = clone.run("make").stdout

    assert all(f"make {target}" in shown for target in ("demo", "run", "test", "lint"))
