"""A disk that is full or read-only, made real by a mount of the test's own."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import layout
from tests import in_process
from tests.conftest import DIGITS, Project

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


@contextmanager
def mounted(folder: Path, mount: str) -> Iterator[None]:
    """Mount as said where nobody else sees it, in a process that waits for the block's end; the folder is a link to there."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder.rename(folder.with_name(f"{folder.name}-mounted"))
    script = f"{mount.format(folder=shlex.quote(str(aside)))} && echo && exec cat"
    with subprocess.Popen([*UNSHARE, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        folder.symlink_to(f"/proc/{process.pid}/root{aside}")
        yield


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(("mount", "words"), [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")])
def test_ingest_says_that_it_cannot_write_and_leaves_nothing(
    fresh_project: Project, copy_of: Callable[[Project], Project], mount: str, words: str
) -> None:
    project = copy_of(fresh_project)

    with mounted(project.root / "data", mount):
        done = project.digits("ingest", check=False)
        left = names_in(project.root / "data")

    assert done.returncode == 1
    assert done.stderr.startswith("error: data/raw")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert "raw" not in left
    assert not [name for name in left if name.endswith(".tmp")]


def test_a_stage_on_a_full_disk_leaves_no_half_output(
    trained_project: Project, copy_of: Callable[[Project], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(trained_project)
    full = Path("full")

    for stage, output in {"validate": "VALIDATION", "reshape": "ARRAYS", "train": "MODEL", "evaluate": "PLOTS"}.items():
        with (
            mounted(project.root / full, FULL.replace("200k", "4k")),
            in_process.as_stages(),
            monkeypatch.context() as elsewhere,
        ):
            elsewhere.setattr(layout, output, full / "output")
            done = project.digits(stage, check=False)
            left = names_in(project.root / full)
        (project.root / full).unlink()

        assert (stage, done.returncode, left) == (stage, 1, [])
        assert "No space left on device" in done.stderr, stage
        assert "Traceback" not in done.stderr, stage


def score_in(folder: Path, mount: str, project: Project) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Score a batch where a folder is mounted as said; give the names in it afterwards too.

    SQLite follows links, also out of a mount that is seen by way of another process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = shlex.quote(str(folder))
    command = shlex.join([*DIGITS, "score", "data/inbox/batch"])
    script = f"{mount.format(folder=place)} && {{ {command}; code=$?; ls -A {place} >&3; exit $code; }}"
    names = project.root / "names"
    done = project.run(*UNSHARE, "sh", "-c", f"exec 3>{shlex.quote(str(names))}; {script}", check=False)
    return done, names.read_text().split()


@pytest.mark.parametrize(("mount", "words"), [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")])
def test_scoring_says_that_it_cannot_write(
    registered_project: Project, copy_of: Callable[[Project], Project], mount: str, words: str
) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 20)

    done, left = score_in(project.root / "data/scores", mount.replace("200k", "1k,nr_inodes=3"), project)

    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "scores.csv" not in left


@pytest.mark.parametrize("kilobytes", [8, 40, 60, 100], ids=["tables", "listing", "rows", "csv"])
def test_a_disk_that_fills_while_rows_are_kept_is_one_clear_line(
    registered_project: Project, copy_of: Callable[[Project], Project], kilobytes: int
) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 20)

    done, left = score_in(project.root / "data/scores/batch", FULL.replace("200k", f"{kilobytes}k"), project)

    assert done.returncode == 1
    assert re.fullmatch(r"error: data/scores/batch/[a-z.]+: .*Make room.*\n", done.stderr)
    assert "scores.csv" not in left


def test_a_disk_that_fills_while_the_report_is_written_keeps_the_scores(
    registered_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 20)

    done, left = score_in(project.root / "data/scores/batch", FULL.replace("200k", "130k"), project)

    assert done.returncode == 0, done.stderr
    assert "warning: no report: data/scores/batch/report.html: " in done.stdout
    assert {"scores.csv", "review.csv", "manifest.json"} <= set(left)
    assert "report.html" not in left


def test_scores_in_a_folder_that_cannot_be_written_to_stand(
    registered_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 20)
    out = project.root / "data/scores/batch"
    project.run(*DIGITS, "score", "data/inbox/batch")
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    unchanged, _ = score_in(out, READ_ONLY, project)
    (project.root / "data/inbox/batch/00000.png").unlink()
    changed, _ = score_in(out, READ_ONLY, project)

    assert (unchanged.returncode, changed.returncode) == (0, 1), unchanged.stderr
    assert "nothing changed since these scores were written" in unchanged.stdout
    assert re.fullmatch("error: data/scores/batch/.*: cannot write: Read-only file system.*\n", changed.stderr)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
