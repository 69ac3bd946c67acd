"""Prefect servers for this machine alone, which ask for a password: one that lasts, and one for the length of a block."""

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from flows import password
from flows.processes import end
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST = "127.0.0.1"
# A browser may use these names for this machine. Under another name, a page from elsewhere could pass for one of ours.
NAMES = (HOST, "localhost")
# The temporary server needs no telemetry, no blocks and no UI, which take a fifth of its start. A user's setting counts first.
SETTINGS = {
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}
# Collecting garbage takes a seventh of the start.
SERVE = "import gc; gc.set_threshold(100_000); import uvicorn; uvicorn.main()"
STOP_SECONDS = 5


def application() -> "ASGIApp":
    """Make Prefect's server, which answers only under this machine's own names, and logs no errors of its own shutdown."""
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    prefect = create_app()
    for logger in (logging.getLogger(), logging.getLogger("uvicorn")):
        for handler in logger.handlers:
            handler.addFilter(_is_no_cancellation)
    return TrustedHostMiddleware(prefect, allowed_hosts=NAMES)


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """Tell whether a record is worth logging: a service logs that it is cancelled while it writes, and then writes again."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def command(factory: str, listening: socket.socket, level: str) -> list[str]:
    """Give the command that serves an application at a socket that listens already, so that nobody else can take its port."""
    options = ["--fd", str(listening.fileno()), "--lifespan", "on", "--log-level", level]
    return [sys.executable, "-c", SERVE, "--factory", factory, *options]


def locked(port: int, secret: str) -> dict[str, str]:
    """Give the settings of a server at a port of this machine that answers to those who know ``user:password``.

    Only its own pages may read the answers in a browser.
    """
    return {
        "PREFECT_SERVER_API_AUTH_STRING": secret,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{name}:{port}" for name in NAMES),
    }


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Start a server in an environment, give its API's URL and password at once, and end it after the block.

    A request that is sent before the server is ready waits for it.
    """
    secret = password.new()
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
        server = subprocess.Popen(
            command("flows.server:application", listening, "error"),
            env={**SETTINGS, **environment, **locked(port, secret)},
            pass_fds=[listening.fileno()],
        )
    try:
        yield f"http://{HOST}:{port}/api", secret
    finally:
        end(server, STOP_SECONDS)


def wait(url: str, seconds: float) -> None:
    """Return once the server answers. Raises PipelineError if it does not within that time, or has ended."""
    try:
        httpx.get(f"{url}/health", timeout=seconds).raise_for_status()
    except httpx.TimeoutException as error:
        raise PipelineError(
            f"Prefect's temporary server does not answer within {seconds:.0f} s. Run again when the machine has less to do, or "
            f"set PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS."
        ) from error
    except httpx.HTTPError as error:
        raise PipelineError(f"Prefect's temporary server did not start: {error}. Why stands above.") from error
