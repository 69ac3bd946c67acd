"""``prefect.yaml`` on a real local server, through Prefect's own commands."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest

from tests.conftest import Project

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def server(registered_project: Project, copy_of: Callable[[Project], Project]) -> Iterator[tuple[Project, str]]:
    project = copy_of(registered_project)
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    with (
        (project.home / "server.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            cwd=project.root,
            env=project.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_for(f"{api}/health", process)
            yield project, api
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert process.poll() is None, "the server ended before it answered"
        try:
            if httpx.get(address).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise TimeoutError(address)


def prefect(project: Project, api: str, *arguments: str) -> str:
    return project.run(sys.executable, "-m", "prefect", "--no-prompt", *arguments, PREFECT_API_URL=api).stdout


def test_deploying_twice_leaves_two_deployments_whose_runs_are_planned_and_a_worker_runs_one(
    server: tuple[Project, str],
) -> None:
    project, api = server
    prefect(project, api, "work-pool", "create", "digits", "--type", "process")

    for _ in range(2):
        prefect(project, api, "deploy", "--all")

    found = httpx.post(f"{api}/deployments/filter", json={}).json()
    assert {one["name"] for one in found} == {"train", "score-inbox"}
    assert len(found) == 2
    for one in found:
        (schedule,) = one["schedules"]
        assert schedule["active"]
        assert schedule["schedule"]["timezone"] == "UTC"
        assert one["global_concurrency_limit"]["limit"] == 1
        assert one["description"]

    planned = {"state": {"type": {"any_": ["SCHEDULED"]}}}
    for _ in range(60):
        runs = httpx.post(f"{api}/flow_runs/filter", json={"flow_runs": planned}).json()
        if {run["deployment_id"] for run in runs} == {one["id"] for one in found}:
            break
        time.sleep(1)
    assert {run["deployment_id"] for run in runs} == {one["id"] for one in found}
    assert "ERROR" not in (project.home / "server.log").read_text()

    project.sample("data/inbox/batch", 5)
    elsewhere = replace(project, root=project.home)
    prefect(project, api, "deployment", "run", "score-inbox/score-inbox")
    prefect(elsewhere, api, "worker", "start", "--pool", "digits", "--run-once")
    for _ in range(120):
        if (project.root / "data/scores/batch/manifest.json").exists():
            break
        time.sleep(0.5)
    assert (project.root / "data/scores/batch/scores.csv").exists()
