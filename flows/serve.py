"""``make serve``: a Prefect server with its UI, the pages that its links lead to, the deployments, and a worker.

All of it is this project's own: files in ``.prefect/``, addresses on this machine alone.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NoReturn

import httpx
import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect.states import Crashed

from flows import deploy
from flows.artifacts import PAGES_URL
from flows.pages import HOST
from pipeline import atomic, exclusive, layout, registry, tags
from pipeline.errors import PipelineError, exit_on_error

HOME = Path(".prefect")
PORTS = HOME / "ports.json"
# Where Prefect's UI is by default, and the one after it; others where something else has them.
USUAL = {"ui": 4200, "pages": 4201}
# What these say is of use when something fails; what the worker says, and so what the flows do, is for the terminal.
LOGGED = ("server", "pages")
START_SECONDS = 120
# A stage that is stopped has twenty seconds; its run tells the server then.
STOP_SECONDS = 40
# Nobody works on a run that the last worker left in one of these.
UNFINISHED = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def main() -> None:
    """Serve until stopped by Ctrl-C, SIGTERM or SIGHUP. Exits 1 with one line where something keeps it from serving."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, _stop)
    with exit_on_error():
        layout.require_root()
        _use_own_home()
        busy = f"{HOME}: `make serve` runs here already{_processes()}."
        with exclusive.alone(HOME / "lock", busy) as lock, ExitStack() as started:
            serve(lock, started)


def serve(lock: BinaryIO, started: ExitStack) -> None:
    """Start everything in order, say where it is, and wait. Raises PipelineError when a part of it ends."""
    ports = _ports()
    api = f"http://{HOST}:{ports['ui']}/api"
    pages = f"http://{HOST}:{ports['pages']}"
    os.environ |= {"PREFECT_API_URL": api, "PREFECT_SERVER_UI_API_URL": api, PAGES_URL: pages}
    prefect = [sys.executable, "-m", "prefect"]
    print("starting Prefect's server; the first time it makes its database, which takes a minute", flush=True)
    server = started.enter_context(
        _process("server", lock, *prefect, "server", "start", "--host", HOST, "--port", str(ports["ui"]))
    )
    running = {"server": server}
    _wait_for(f"{api}/health", running)
    running["pages"] = started.enter_context(_process("pages", lock, sys.executable, "-m", "flows.pages", str(ports["pages"])))
    with temporary_settings({PREFECT_HOME: HOME.absolute(), PREFECT_API_URL: api}):
        _tidy()
        lines = deploy.apply()
    running["worker"] = started.enter_context(
        _process("worker", lock, *prefect, "worker", "start", "--pool", deploy.POOL, "--name", "serve")
    )
    runs: set[psutil.Process] = set()
    started.callback(_end_runs, running["worker"], runs)
    atomic.write_text(HOME / "processes.json", json.dumps({name: one.pid for name, one in running.items()}))
    where = [f"UI at {api.removesuffix('/api')}", f"inbox in {layout.INBOX}"]
    print("\n".join([*where, _champion(), *lines, "Ctrl-C stops all of it"]), flush=True)
    while True:
        _require(running)
        runs |= _runs_of(running["worker"])  # a worker that is killed leaves them to nobody
        time.sleep(1)


def _champion() -> str:
    """Say what scores are made with, or how to get it."""
    try:
        return f"champion {registry.find(tags.CHAMPION).version}"
    except PipelineError as error:
        return str(error)


def _use_own_home() -> None:
    """Let nothing of the user's Prefect into this one, and send no word of it anywhere."""
    for name in ("PREFECT_PROFILE", "PREFECT_API_KEY"):
        os.environ.pop(name, None)
    os.environ |= {
        "PREFECT_HOME": str(HOME.absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Else its database grows for good: old runs go after 90 days.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    }


def _ports() -> dict[str, int]:
    """Choose the ports: those of the last time, to which links lead, or the usual ones, or any that are free."""
    try:
        last = json.loads(PORTS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        last = {}
    chosen: dict[str, int] = {}
    for name, usual in USUAL.items():
        tried = (last.get(name), usual, 0)
        chosen[name] = next(port for one in tried if one is not None and (port := _free(one, chosen.values())))
    atomic.write_text(PORTS, json.dumps(chosen))
    return chosen


def _free(port: int, taken: Collection[int]) -> int:
    """Give a port if nothing has it, any free one for 0, or 0."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as what will listen there does
        try:
            one.bind((HOST, port))
        except OSError:
            return 0
        found = int(one.getsockname()[1])
        return 0 if found in taken else found


@contextmanager
def _process(name: str, lock: BinaryIO, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, and in the end stop it and all that it started.

    It holds the lock too: while any of them is left, whatever became of this one, nobody starts them twice.
    """
    with atomic.refusals_of(HOME), (HOME / f"{name}.log").open("wb") as file:
        output = file if name in LOGGED else None
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, pass_fds=[lock.fileno()], start_new_session=True
        )
    try:
        yield process
    finally:
        _end(process)


def _runs_of(worker: subprocess.Popen[bytes]) -> set[psutil.Process]:
    try:
        return set(psutil.Process(worker.pid).children())
    except psutil.NoSuchProcess:
        return set()


def _end_runs(worker: subprocess.Popen[bytes], runs: set[psutil.Process]) -> None:
    """Let a worker's runs end in order, while the server can be told; the worker stands still and starts no others."""
    worker.send_signal(signal.SIGSTOP)
    runs |= _runs_of(worker)
    for run in filter(_works, runs):
        run.terminate()
    for _ in range(5 * STOP_SECONDS):
        if not any(map(_works, runs)):
            break
        time.sleep(0.2)
    worker.send_signal(signal.SIGCONT)


def _works(process: psutil.Process) -> bool:
    """Tell whether a process still does anything; one that ended stays in the list until its parent looks."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process, and at once whatever of those that it started does not stop with it."""
    try:
        started = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for one in psutil.wait_procs(started, 1)[1]:
        one.kill()


def _wait_for(address: str, running: dict[str, subprocess.Popen[bytes]]) -> None:
    for _ in range(2 * START_SECONDS):
        _require(running)
        try:
            if httpx.get(address).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise PipelineError(f"{address}: no answer within {START_SECONDS} s. See {HOME}/server.log.")


def _require(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Raise PipelineError where a process has ended."""
    for name, process in running.items():
        if process.poll() is not None:
            where = f"{HOME}/{name}.log" if name in LOGGED else "what it said above"
            raise PipelineError(f"the {name} ended with {process.returncode}. See {where}, then start again.")


def _tidy() -> None:
    """End the runs that a killed worker left, which keep others from starting, and of those that were missed keep the last."""
    with get_client(sync_client=True) as client:
        for one in deploy.deployments(client):
            deployment = DeploymentFilter(id=DeploymentFilterId(any_=[one.id]))
            for run in client.read_flow_runs(deployment_filter=deployment, flow_run_filter=_in_states(UNFINISHED)):
                client.set_flow_run_state(run.id, Crashed(message="the worker was killed while this ran"), force=True)
            planned = client.read_flow_runs(
                deployment_filter=deployment,
                flow_run_filter=_in_states([StateType.SCHEDULED]),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            )
            now = datetime.now(UTC)
            missed = [run for run in planned if run.auto_scheduled and (run.expected_start_time or now) < now]
            for run in missed[:-1]:
                client.delete_flow_run(run.id)


def _in_states(types: list[StateType]) -> FlowRunFilter:
    return FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)))


def _processes() -> str:
    """Name what was started the last time and is still there."""
    try:
        known = json.loads((HOME / "processes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    left = [str(number) for number in known.values() if psutil.pid_exists(number)]
    return f" (processes {', '.join(left)}; `kill {' '.join(left)}` ends them)" if left else ""


def _stop(*_: object) -> NoReturn:
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    print("stopping", flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
