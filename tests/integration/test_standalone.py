"""The flows run as modules, each in a process of its own: what is said, and what is left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Project


@pytest.fixture
def project(registered_project: Project, copy_of: Callable[[Project], Project]) -> Project:
    return copy_of(registered_project)


@pytest.mark.parametrize("flow", ["flows.scoring", "flows.training"])
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PREFECT_API_URL", "http://127.0.0.1:9/api", "{value}: no Prefect server answers: .*refused. Start it, or"),
        ("PREFECT_HOME", "{file}/home", "{value}: Prefect cannot write its files: Not a directory. Make it writable, or"),
    ],
)
def test_where_prefect_cannot_run_one_line_says_so(
    registered_project: Project, tmp_path: Path, flow: str, variable: str, value: str, words: str
) -> None:
    (tmp_path / "file").touch()
    value = value.format(file=tmp_path / "file")

    done = registered_project.run(sys.executable, "-m", flow, check=False, **{variable: value})

    assert done.returncode == 1
    assert re.match(f"error: {words.format(value=value)}", done.stderr)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("flow", ["flows.scoring", "flows.training", "flows.demo"])
def test_outside_the_root_a_flow_says_so_in_the_line_of_every_command(tmp_path: Path, flow: str) -> None:
    project = Project(tmp_path, tmp_path)

    done = project.run(sys.executable, "-m", flow, check=False)

    assert done.returncode == 1
    assert done.stderr == (
        f"error: {tmp_path}: not the project's root, it has no params.yaml and no dvc.yaml. "
        "Run this in the project's root folder.\n"
    )


@dataclass(frozen=True)
class Process:
    """A process that has not ended, its parent, and the group that it was started in."""

    number: int
    parent: int
    group: int


def processes() -> list[Process]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [Process(int(row[0]), int(row[1]), int(row[2])) for row in rows if not row[3].startswith("Z")]


def started_by(process: int) -> set[int]:
    """Give the processes that a process started, and those that they started in turn."""
    known, found = processes(), {process}
    while more := {one.number for one in known if one.parent in found} - found:
        found |= more
    return found - {process}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flow", "how", "line"),
    [
        ("flows.scoring", signal.SIGHUP, "10 of 400 images"),
        ("flows.scoring", signal.SIGINT, "10 of 400 images"),
        ("flows.training", signal.SIGTERM, "epoch 1 of 500"),
    ],
)
def test_a_flow_that_is_stopped_leaves_no_process_behind(project: Project, flow: str, how: signal.Signals, line: str) -> None:
    project.set(train__epochs=500, score__shard_size=1)
    project.digits("sample", "data/inbox/batch", "--count", "300")
    for number in range(100):
        (project.root / f"data/inbox/batch/more-{number:03d}.png").write_bytes(
            (project.root / "data/inbox/batch/00000.png").read_bytes()
        )
    with subprocess.Popen(
        [sys.executable, "-m", flow],
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            found = any(line in text for text in process.stdout or ())
            started = started_by(process.pid)
            process.send_signal(how)
            code = process.wait(60)
            for _ in range(50):
                left = {one.number for one in processes() if one.number in started or one.group == process.pid}
                if not left:
                    break
                time.sleep(0.1)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    assert found
    assert started
    assert code == 128 + how
    assert left == set()
