"""A team's server: PostgreSQL behind the Prefect server, workers of several machines, and code by ``git_clone``."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Project
from tests.integration.test_deployments import free_port, prefect

pytestmark = pytest.mark.slow
# Where Debian keeps it, beside what is on the path.
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
MAKERS = [*map(Path, filter(None, [shutil.which("initdb")])), *(folder / "initdb" for folder in BINARIES)]
PULL = """
pull:
  - prefect.deployments.steps.git_clone:
      id: clone
      repository: {origin}
      branch: main
  - prefect.deployments.steps.run_shell_script:
      directory: "{{{{ clone.directory }}}}"
      script: |-
        rm -r data/inbox
        ln -sfn {shared}/inbox data/inbox
        ln -sfn {shared}/scores data/scores
"""


@dataclass
class Postgres:
    """The database: where its programs are, and how it is reached."""

    binaries: Path
    port: int
    password: str

    @property
    def address(self) -> str:
        return f"postgresql+asyncpg://prefect:{self.password}@127.0.0.1:{self.port}/prefect"

    def run(self, program: str, *arguments: str) -> str:
        command = [str(self.binaries / program), "-h", "127.0.0.1", "-p", str(self.port), "-U", "prefect", *arguments]
        environment = {**os.environ, "PGPASSWORD": self.password}
        done: str = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        return done.strip()

    def is_ready(self) -> bool:
        command = [str(self.binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server of PostgreSQL of its own. Root may not run one: then the user does that Debian made for it."""
    if not MAKERS:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        place, secret = Path(name), Path(name) / "password"
        database = Postgres(MAKERS[-1].parent, free_port(), secrets.token_hex(16))
        secret.write_text(database.password)
        if user:
            for path in (place, secret):
                shutil.chown(path, **user)
        make = [str(MAKERS[-1]), "-D", f"{place}/data", "-U", "prefect", "--auth=scram-sha-256", f"--pwfile={secret}"]
        subprocess.run(make, cwd=place, capture_output=True, check=True, **user)
        log = stack.enter_context((place / "log").open("wb"))
        where = ["-D", f"{place}/data", "-p", str(database.port), "-k", name, "-c", "listen_addresses=127.0.0.1"]
        command = [str(database.binaries / "postgres"), *where]
        server = subprocess.Popen(command, cwd=place, stdout=log, stderr=log, **user)
        stack.callback(server.wait)
        stack.callback(server.send_signal, signal.SIGINT)
        _wait_for(database.is_ready)
        database.run("createdb", "prefect")
        yield database


def test_two_machines_work_for_a_server_on_postgresql_with_code_from_git(
    postgres: Postgres, trained_project: Project, copy_of: Callable[[Project], Project], tmp_path: Path
) -> None:
    project = copy_of(trained_project)
    shared = tmp_path / "shared"
    for folder in ("inbox", "scores", "dvc"):
        (shared / folder).mkdir(parents=True)
    project.dvc("remote", "add", "--default", "team", str(shared / "dvc"))
    with (project.root / "prefect.yaml").open("a") as file:
        file.write(PULL.format(origin=tmp_path / "origin.git", shared=shared))
    project.git("commit", "--quiet", "--all", "--message", "Serve a team")
    project.digits("register")
    project.dvc("push")
    project.git("clone", "--quiet", "--bare", str(project.root), str(tmp_path / "origin.git"))
    api = f"http://127.0.0.1:{free_port()}/api"

    with serving(project, api, PREFECT_API_DATABASE_CONNECTION_URL=postgres.address, PREFECT_SERVER_ANALYTICS_ENABLED="0"):
        prefect(project, api, "work-pool", "create", "digits", "--type", "process")
        prefect(project, api, "deploy", "--all")
        for machine in ("first", "second"):
            project.sample(f"../shared/inbox/{machine}", 5)
            (shared / "inbox" / machine / ".ready").touch()
            prefect(project, api, "deployment", "run", "score-inbox/score-inbox")
            elsewhere = replace(project, root=tmp_path / machine, home=tmp_path / machine)
            elsewhere.root.mkdir()
            prefect(elsewhere, api, "worker", "start", "--pool", "digits", "--name", machine, "--run-once")
            _wait_for((shared / "scores" / machine / "manifest.json").exists)
        runs = httpx.post(f"{api}/flow_runs/filter", json={"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}).json()

    assert {run["state"]["name"] for run in runs} == {"Completed"}
    assert len(runs) == 2
    assert (
        int(postgres.run("psql", "-d", "prefect", "-Atc", "select count(*) from flow_run where state_type = 'COMPLETED'")) == 2
    )
    for machine in ("first", "second"):
        assert json.loads((shared / "scores" / machine / "manifest.json").read_text())["rows"] == 5
    assert not list((project.home / "prefect").glob("*.db"))


@contextmanager
def serving(project: Project, api: str, **environment: str) -> Iterator[None]:
    """Run a Prefect server."""
    port = api.rpartition(":")[2].removesuffix("/api")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    with (
        (project.home / "server.log").open("w") as log,
        subprocess.Popen(
            command,
            cwd=project.home,
            env={**project.environment, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_for(lambda: _answers(f"{api}/health"))
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(480):
        if condition():
            return
        time.sleep(0.25)
    raise TimeoutError
