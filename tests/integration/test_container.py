"""A container's user and quota without a container: nobody by name, without a home, in a group with one processor."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import DIGITS, ROOT, Project

UNNAMED = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]
GROUPS = Path("/sys/fs/cgroup")
PERIOD = 100_000


def can_be_unnamed() -> bool:
    try:
        return not subprocess.run([*UNNAMED, "true"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not can_be_unnamed(), reason="needs Linux with user namespaces, to be a user without a name")
def test_a_user_without_a_name_or_a_home_registers_scores_and_runs_flows(
    trained_project: Project, copy_of: Callable[[Project], Project], tmp_path: Path
) -> None:
    project = copy_of(trained_project)
    project.sample("data/inbox/batch", 5)
    environment = {name: project.environment[name] for name in ("PATH", "DO_NOT_TRACK")}
    environment |= {"HOME": "/nonexistent", "PREFECT_HOME": str(tmp_path / "prefect")}

    def run(*command: str, **more: str) -> str:
        done = subprocess.run(
            [*UNNAMED, *command], cwd=project.root, env=environment | more, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run(sys.executable, "-c", "import os; print(os.getuid())") == "12345\n"
    assert run(*DIGITS, "register").startswith("digit-cnn v1.0.0\n")
    assert "5 images with digit-cnn v1.0.0" in run(*DIGITS, "score", "data/inbox/batch")
    assert "Data and pipelines are up to date." in run("dvc", "repro", LOGNAME="unnamed")
    project.sample("data/inbox/other", 3)
    assert "other: 3 images" in run(sys.executable, "-m", "flows.scoring")


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group that gives one processor's time to who is in it."""
    place = (GROUPS / "cpu" if (GROUPS / "cpu/cpu.shares").exists() else GROUPS) / f"digits-{os.getpid()}"
    try:
        place.mkdir()
        try:
            if (place / "cpu.max").exists():
                (place / "cpu.max").write_text(f"{PERIOD} {PERIOD}")
            else:
                (place / "cpu.cfs_period_us").write_text(f"{PERIOD}")
                (place / "cpu.cfs_quota_us").write_text(f"{PERIOD}")
            yield place
        finally:
            place.rmdir()
    except OSError as error:
        pytest.skip(f"needs a control group that can be made: {error}")


def test_the_quota_of_a_group_is_how_many_processes_score(group: Path) -> None:
    count = [sys.executable, "-c", "from pipeline.cores import usable; print(usable())"]
    # Of version 1 a container sees its own group where the file system is mounted.
    old = group.parent.name == "cpu"
    seen = [
        "unshare",
        "--cgroup",
        "--mount",
        "sh",
        "-c",
        f'umount {group.parent} && mount -t cgroup -o cpu cgroup {group.parent} && exec "$@"',
        "sh",
    ] * old
    command = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *seen, *count]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"needs to mount: {done.stderr}")
    assert done.stdout == "1\n", done.stderr
