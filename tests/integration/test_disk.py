"""A disk that is full or read-only, made real by a mount of the test's own."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import DIGITS, Project
from tests.in_process import Run

FULL = "mount -t tmpfs -o size=200k none {folder}"
READ_ONLY = "mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


def can_mount() -> bool:
    try:
        return not subprocess.run(
            [*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        ).returncode
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not can_mount(), reason="needs Linux with user namespaces, to mount a full disk")


def run_on(project: Project, mount: str, folder: str, *arguments: str) -> Run:
    """Run ``digits`` where ``folder`` is mounted as said; the mount ends with the command."""
    (project.root / folder).mkdir(parents=True, exist_ok=True)
    script = f'{mount.format(folder=folder)} && "$@"; code=$?; ls -A {folder} >&3; exit $code'
    left = project.home / "left"
    return project.run(
        *("sh", "-c", 'exec 3>"$1"; shift; exec "$@"', "sh", str(left)),
        *(*UNSHARE, "sh", "-c", script, "sh", *DIGITS, *arguments),
        check=False,
    )


def left_in(project: Project) -> list[str]:
    return (project.home / "left").read_text().split()


@pytest.mark.parametrize(("mount", "words"), [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")])
def test_ingest_says_that_it_cannot_write_and_leaves_nothing(
    fresh_project: Project, copy_of: Callable[[Project], Project], mount: str, words: str
) -> None:
    project = copy_of(fresh_project)

    done = run_on(project, mount, "data", "ingest")

    assert done.returncode == 1
    assert done.stderr.startswith("error: data/raw")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert "raw" not in left_in(project)
    assert not [name for name in left_in(project) if name.endswith(".tmp")]


OUTPUTS = {"validate": "VALIDATION", "reshape": "ARRAYS", "train": "MODEL", "evaluate": "PLOTS"}
# In one process, for which Keras is imported once.
EACH_STAGE = f"""
import json, os
from pathlib import Path
from pipeline import layout
from tests import in_process
for stage, output in {OUTPUTS}.items():
    own = getattr(layout, output)
    setattr(layout, output, Path("elsewhere", stage, "output"))
    done = in_process.digits((stage,), Path.cwd(), os.environ)
    setattr(layout, output, own)
    print(json.dumps([stage, done.returncode, done.stderr, os.listdir(f"elsewhere/{{stage}}")]))
"""


def test_a_stage_on_a_full_disk_leaves_no_half_output(trained_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(trained_project)
    for stage in OUTPUTS:
        (project.root / "elsewhere" / stage).mkdir(parents=True)
    mounts = [FULL.replace("200k", "4k").format(folder=f"elsewhere/{stage}") for stage in OUTPUTS]

    ran = project.run(*UNSHARE, "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh", sys.executable, "-c", EACH_STAGE)

    results = {stage: found for stage, *found in map(json.loads, ran.stdout.splitlines())}
    assert list(results) == list(OUTPUTS)
    for stage, (code, said, left) in results.items():
        assert (stage, code, left) == (stage, 1, [])
        assert "No space left on device" in said, stage
        assert "Traceback" not in said, stage


@pytest.mark.parametrize(("mount", "words"), [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")])
def test_scoring_says_that_it_cannot_write(
    registered_project: Project, copy_of: Callable[[Project], Project], mount: str, words: str
) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 20)

    done = run_on(project, mount.replace("200k", "1k,nr_inodes=3"), "data/scores", "score", "data/inbox/batch")

    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "scores.csv" not in left_in(project)


def test_a_disk_that_fills_while_the_report_is_written_keeps_the_scores(
    registered_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 20)

    done = run_on(project, FULL.replace("200k", "72k"), "data/scores/batch", "score", "data/inbox/batch")

    assert done.returncode == 0, done.stderr
    assert "warning: no report: data/scores/batch/report.html: " in done.stdout
    assert {"scores.csv", "review.csv", "manifest.json"} <= set(left_in(project))
    assert "report.html" not in left_in(project)
