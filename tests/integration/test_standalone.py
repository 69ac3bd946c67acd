"""The flows run as modules, each in a process of its own: what is said, and what is left behind."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from flows import server
from pipeline.errors import PipelineError
from tests import in_process
from tests.conftest import ROOT, Project
from tests.processes import left_of, started_by
from tests.scored import rows_in

SETTINGS = {"PREFECT_API_URL": PREFECT_API_URL, "PREFECT_HOME": PREFECT_HOME}


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

    if (flow, variable) == ("flows.scoring", "PREFECT_API_URL"):
        done = registered_project.run(sys.executable, "-m", flow, check=False, **{variable: value})
    else:
        with temporary_settings({SETTINGS[variable]: value}):
            done = in_process.module(flow, registered_project.root, registered_project.environment)

    assert done.returncode == 1
    assert re.match(f"error: {words.format(value=value)}", done.stderr)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    "flow",
    [f"flows.{name}" for name in ("scoring", "training", "run", "demo", "serve", "pages", "deploy", "automations")],
)
def test_outside_the_root_a_flow_says_so_in_the_line_of_every_command(tmp_path: Path, flow: str) -> None:
    done = in_process.module(flow, tmp_path, os.environ)

    assert done.returncode == 1
    assert done.stderr == (
        f"error: {tmp_path}: not the project's root, it has no params.yaml and no dvc.yaml. "
        "Run this in the project's root folder.\n"
    )


@pytest.mark.parametrize("own", [{}, {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "7"}])
def test_a_temporary_server_may_take_a_minute_to_start_or_what_somebody_set(
    registered_project: Project, own: dict[str, str]
) -> None:
    code = "from flows import standalone\nwith standalone.ready(lambda: None) as wait: print(wait.args[1])"

    done = registered_project.run(sys.executable, "-c", code, check=True, **own)

    assert done.stdout == f"{next(iter(own.values()), 60)}\n"


def test_a_server_that_ends_while_it_writes_says_nothing_of_it_and_all_else_that_fails() -> None:
    code = (
        "import asyncio, logging; from flows import server; server.application()\n"
        "def log(error):\n"
        "    for name in ('prefect.server.services.task_run_recorder', 'uvicorn.error'):\n"
        "        try: raise error\n"
        "        except BaseException: logging.getLogger(name).exception('flushing')\n"
        "log(asyncio.CancelledError('by the end'))\n"
        "log(OSError('no room'))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "CancelledError" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("OSError")] == ["OSError: no room"] * 2
    assert done.stderr.count("flushing") == 2


def test_a_temporary_server_that_does_not_answer_is_said_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        with pytest.raises(PipelineError, match=r"^Prefect's temporary server does not answer within 0 s\. .*STARTUP_TIMEOUT"):
            server.wait(url, 0.1)
    with pytest.raises(PipelineError, match=r"^Prefect's temporary server did not start: .*refused.*\. Why stands above\.$"):
        server.wait(url, 0.1)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SSL_CERT_FILE", "/nowhere.pem", "SSL_CERT_FILE=/nowhere.pem: No such file or directory. Name a file of certificates"),
        ("SSL_CERT_FILE", str(ROOT / "README.md"), "SSL_CERT_FILE=.*README.md: .*no certificate"),
        ("ALL_PROXY", "socks4://u:hidden@127.0.0.1:9", "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: Unknown scheme"),
        ("HTTP_PROXY", "http://127.0.0.1:port", "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: Invalid port: 'port'. Name a proxy"),
        ("PREFECT_LOGGING_LEVEL", "loud", "Prefect cannot read its settings: level: Input should be 'DEBUG', .*profiles.toml"),
        ("PREFECT_HOME", "{home}", "Prefect cannot read its settings: Expected '=' after a key .*{home}/profiles.toml"),
    ],
)
def test_what_prefect_cannot_start_with_is_one_line(tmp_path: Path, variable: str, value: str, words: str) -> None:
    (tmp_path / "profiles.toml").write_text("active\n")
    environment = {**os.environ, variable: value.format(home=tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", "import flows.deploy"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert re.match(f"error: {words.format(home=tmp_path)}", done.stderr)
    assert done.stderr.count("\n") == 1
    assert "hidden" not in done.stderr


def test_telemetry_is_forbidden_before_anything_that_collects_is_imported() -> None:
    code = (
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        "        if name in ('prefect', 'dvc', 'great_expectations'): print(name, *map(os.environ.get, sys.argv[1:]))\n"
        "sys.meta_path.insert(0, Finder)\n"
        "import flows, dvc, great_expectations\n"
    )
    hidden = ("DO_NOT_TRACK", "DVC_NO_ANALYTICS", "GX_ANALYTICS_ENABLED")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-c", code, *hidden]

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [f"{name} 1 1 false" for name in ("prefect", "dvc", "great_expectations")]


def test_in_a_terminal_with_an_empty_home_nothing_is_collected(registered_project: Project, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    hidden = ("DO_NOT_TRACK", "CI", "PREFECT_HOME", "XDG_CONFIG_HOME")
    environment = {name: value for name, value in registered_project.environment.items() if name not in hidden}
    with subprocess.Popen(
        [sys.executable, "-m", "flows.scoring"],
        cwd=registered_project.root,
        env={**environment, "HOME": str(tmp_path)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        printed = b""
        with suppress(OSError):  # as the last who has it open ends
            while some := os.read(ours, 2**16):
                printed += some
    os.close(ours)

    assert process.returncode == 0, printed.decode()
    assert b"collects" not in printed
    assert b"Traceback" not in printed
    assert {path.name for path in tmp_path.iterdir()} <= {".prefect"}
    assert not (tmp_path / ".prefect/.sdk_telemetry").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flow", "how", "line"),
    [
        ("flows.scoring", signal.SIGHUP, "trained on load_digits"),
        ("flows.scoring", signal.SIGINT, "trained on load_digits"),
        ("flows.training", signal.SIGTERM, "epoch 1 of 500"),
    ],
)
def test_a_flow_that_is_stopped_leaves_no_process_behind(project: Project, flow: str, how: signal.Signals, line: str) -> None:
    project.set(train__epochs=500, score__shard_size=1)
    project.sample("data/inbox/batch", 300)
    for number in range(2000):  # more than one process does alone
        (project.root / f"data/inbox/batch/more-{number:04d}.png").write_bytes(
            (project.root / "data/inbox/batch/00000.png").read_bytes()
        )
    with subprocess.Popen(
        [sys.executable, "-m", flow],
        cwd=project.root,
        # Addresses that are no proxies, between this and any other machine.
        env={**project.environment, "HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            found = any(line in text for text in process.stdout or ())
            while flow == "flows.scoring" and not rows_in(project.root / "data/scores/batch"):
                assert process.poll() is None, "it ended before it could be stopped"
                time.sleep(0.01)
            started = started_by(process.pid)
            process.send_signal(how)
            code = process.wait(60)
            left = left_of(process.pid, started)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    assert found
    assert started
    assert code == 128 + how
    assert left == set()


@pytest.mark.parametrize("command", ["flows.deploy", "flows.automations"])
@pytest.mark.parametrize(
    ("address", "words"),
    [
        (None, "no PREFECT_API_URL. Set it to a Prefect server's, or start one of your own with `make serve`.\n"),
        ("http://127.0.0.1:9/api", "http://127.0.0.1:9/api: no Prefect server answers: "),
    ],
)
def test_what_is_kept_by_a_server_needs_one_that_answers(
    registered_project: Project, command: str, address: str | None, words: str
) -> None:
    with temporary_settings({PREFECT_API_URL: address}):
        done = in_process.module(command, registered_project.root, registered_project.environment)

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {words}")
    assert done.stderr.count("\n") == 1
