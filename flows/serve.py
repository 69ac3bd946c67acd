"""``make serve``: a Prefect server with its UI, the pages that its links lead to, the deployments, and a worker.

`prefect server start` lets everybody in, uses the user's home and starts no worker. This keeps its files in ``.prefect/``,
listens on addresses of this machine alone, and asks for a password.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Annotated, BinaryIO, NoReturn

import httpx
import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect.states import Crashed
from pydantic import Field, TypeAdapter

from flows import deploy, password
from flows import inbox as inboxes
from flows.artifacts import PAGES_URL
from flows.processes import HOME, children, end_runs, holding, process, require, works
from flows.server import HOST, command, locked
from pipeline import atomic, exclusive, layout
from pipeline.errors import PipelineError, exit_on_error
from pipeline.registry import versions
from pipeline.scoring.listing import name_some
from pipeline.scoring.manifest import NAME as MANIFEST

PORTS = HOME / "ports.json"
Port = Annotated[int, Field(gt=0, lt=2**16)]
# Prefect's own port for its UI, and the next one. A free port replaces one that is in use.
USUAL = {"server": 4200, "pages": 4201}
START_SECONDS = 120
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Nobody works on a run that the last worker left in one of these states.
UNFINISHED = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


def main() -> None:
    """Serve until stopped by Ctrl-C, SIGTERM or SIGHUP. Exits 1 with one line where something keeps it from serving."""
    for one in STOPS:
        if signal.getsignal(one) is not signal.SIG_IGN:  # as `nohup` has it
            signal.signal(one, _stop)
    with exit_on_error():
        layout.require_root()
        usual = os.umask(password.UMASK)
        _use_own_home()
        with exclusive.held(HOME / "lock", _how_to_end_it) as lock, ExitStack() as started:
            password.keep_to_owner()
            serve(lock, started, usual)


def serve(lock: BinaryIO, started: ExitStack, umask: int) -> None:
    """Start everything in order, say where it is, and wait. Raises PipelineError when a part of it ends.

    ``umask``: the user's own, for the worker and the files that it writes.
    """
    secret = password.kept()
    listening = _listen(started)
    port, of_pages = (one.getsockname()[1] for one in listening.values())
    ui, pages = f"http://{HOST}:{port}", f"http://{HOST}:{of_pages}"
    api = f"{ui}/api"
    os.environ |= {"PREFECT_API_URL": api, "PREFECT_SERVER_UI_API_URL": api, PAGES_URL: pages}
    os.environ |= {"PREFECT_API_AUTH_STRING": secret, **locked(port, secret)}
    print("starting Prefect's server; the first time it makes its database, which takes a minute", flush=True)
    running = {}
    for name, one in listening.items():
        with one:
            serving = command(f"flows.{name}:application", one, "warning")
            running[name] = started.enter_context(process(name, serving, lock, one))
    _wait_for(f"{api}/health", running)
    with temporary_settings({PREFECT_HOME: HOME.absolute(), PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: secret}):
        _tidy()
        lines = deploy.apply()
    worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", deploy.POOL, "--name", "serve"]
    running["worker"] = started.enter_context(process("worker", worker, lock, umask=umask))
    runs: set[psutil.Process] = set()
    started.callback(end_runs, running["worker"], runs)
    where = [f"password in {password.FILE}", "Ctrl-C stops all of it", f"UI at {ui}"]
    print("\n".join([_champion(), *lines, _inbox(), *where]), flush=True)
    while True:
        require(running)
        runs -= {run for run in runs if not works(run)}
        runs |= {*children(running["worker"].pid)}  # nobody else knows them once the worker is killed
        time.sleep(1)


def _champion() -> str:
    """Name the champion, or say how to get one."""
    try:
        return f"champion {versions.find(versions.CHAMPION).version}"
    except PipelineError as error:
        return str(error)


def _inbox() -> str:
    """Name the batches that have no scores yet, and say how to score them without waiting for the schedule."""
    try:
        new = [one.name for one in inboxes.look_into(layout.INBOX).batches if not (layout.scores_of(one) / MANIFEST).exists()]
    except PipelineError as error:
        return str(error)
    waiting = f"{name_some(new)} not scored yet; `python -m flows.scoring` does it now" if new else "nothing waits"
    return f"inbox {layout.INBOX}: {waiting}"


def _use_own_home() -> None:
    """Ignore the settings of the user's own Prefect, and switch off telemetry."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ |= {
        "PREFECT_HOME": str(HOME.absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT__SERVER_FINAL": "1",
        # Runs go after 90 days; by default the database grows for good.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    }


def _listen(started: ExitStack) -> dict[str, socket.socket]:
    """Listen at the ports of the last time, which links contain, else at the usual ones, else at free ones."""
    try:
        last = TypeAdapter(dict[str, Port]).validate_json(PORTS.read_bytes())
    except (OSError, ValueError):  # there is no such file, or it cannot be read
        last = {}
    listening: dict[str, socket.socket] = {}
    for name, usual in USUAL.items():
        for port in (last.get(name, usual), usual, 0):
            with suppress(OSError):
                listening[name] = started.enter_context(socket.create_server((HOST, port)))
                break
    atomic.write_text(PORTS, json.dumps({name: one.getsockname()[1] for name, one in listening.items()}))
    return listening


def _wait_for(address: str, running: dict[str, subprocess.Popen[bytes]]) -> None:
    for _ in range(2 * START_SECONDS):
        require(running)
        try:
            if httpx.get(address).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise PipelineError(f"{address}: no answer within {START_SECONDS} s. See {HOME}/server.log.")


def _tidy() -> None:
    """End the runs that a killed worker left, which keep others from starting, and delete all missed runs but the last."""
    with get_client(sync_client=True) as client:
        for deployment in deploy.deployments(client):
            for run in deploy.runs(client, deployment, *UNFINISHED):
                client.set_flow_run_state(run.id, Crashed(message="the worker was killed while this ran"), force=True)
            now = datetime.now(UTC)
            planned = deploy.runs(client, deployment, StateType.SCHEDULED)
            missed = [run for run in planned if run.auto_scheduled and (run.expected_start_time or now) < now]
            for run in missed[:-1]:
                client.delete_flow_run(run.id)


def _how_to_end_it() -> str:
    """Say how to end the processes that hold the lock: this program, or those that it left when it was killed."""
    holders = holding(HOME / "lock")
    if serving := [one.pid for one in holders if "flows.serve" in one.info["cmdline"]]:
        return f"{HOME}: `make serve` runs here already: `kill {serving[0]}` ends it."
    # The worker, which was started last, comes first: it must start nothing more, and would wait for the server at its end.
    left = (one for holder in reversed(holders) for one in (holder, *children(holder.pid, recursive=True)))
    numbers = " ".join(str(one.pid) for one in left)
    return f"{HOME}: `make serve` was killed and left others behind. End them with `kill -9 {numbers}`, then start again."


def _stop(*_: object) -> NoReturn:
    for one in STOPS:
        signal.signal(one, signal.SIG_IGN)
    print("stopping", flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
