"""A temporary Prefect server, which starts while what uses it is still imported."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from flows.processes import end
from pipeline.errors import PipelineError

HOST = "127.0.0.1"
# Unless somebody set it: blocks and a UI, which nobody comes to, would take a fifth of the start.
SETTINGS = {
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}
# A seventh of the start would be looking for garbage.
SERVE = "import gc; gc.set_threshold(100_000); import uvicorn; uvicorn.main()"
STOP_SECONDS = 5


def reach_directly() -> None:
    """Let no proxy of the environment come between this process, or those that it starts, and servers on this machine."""
    direct = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), HOST)))
    os.environ |= {"NO_PROXY": direct, "no_proxy": direct}


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator[str]:
    """Start a server on this machine, in this environment, give the URL of its API at once, and end it after the block.

    What is sent before the server answers waits for it.
    """
    with socket.create_server((HOST, 0)) as listening:
        url = f"http://{HOST}:{listening.getsockname()[1]}/api"
        options = ["--fd", str(listening.fileno()), "--lifespan", "on", "--log-level", "error"]
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, "--factory", "prefect.server.api.server:create_app", *options],
            env={**SETTINGS, **environment},
            pass_fds=[listening.fileno()],
        )
    try:
        yield url
    finally:
        end(server, STOP_SECONDS)


def wait(url: str, seconds: float) -> None:
    """Return once the server answers. Raises PipelineError where it does not within that time, or has ended."""
    try:
        httpx.get(f"{url}/health", timeout=seconds).raise_for_status()
    except httpx.TimeoutException as error:
        raise PipelineError(
            f"Prefect's temporary server does not answer within {seconds:.0f} s. Run again when the machine has less to do, or "
            f"set PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS."
        ) from error
    except httpx.HTTPError as error:
        raise PipelineError(f"Prefect's temporary server did not start: {error}. Why stands above.") from error
