"""Running a flow as a module: an error is one line, and no server is left behind, however the process ends."""

import atexit
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn

from httpx import HTTPStatusError
from prefect import Flow, State
from prefect._internal.analytics import milestones
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    get_current_settings,
    temporary_settings,
)

from flows import password, server
from flows.states import INCOMPLETE, SUSPECT
from pipeline import layout, params
from pipeline.errors import PipelineError, exit_on_error
from pipeline.names import shown
from pipeline.registry import versions

# In a terminal Prefect writes into the user's home which features were used, even with telemetry switched off.
milestones._is_interactive_terminal = lambda: False  # type: ignore[attr-defined]  # noqa: SLF001 - it has no setting

# Prefect's own 20 seconds are not enough where the cores are busy; a user's setting counts first.
START = {PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 60}


def run_flow(flow: Flow[..., State[Any]], check: Callable[[], None] = layout.require_root) -> NoReturn:
    """Run a flow here and now: against ``PREFECT_API_URL`` where it is set, else on a temporary server.

    ``check`` raises PipelineError for what would stop it at its end. Exits 1 when the flow fails or a person has to look.
    """
    with ready(check) as wait:
        with exit_on_error():
            wait()
        state = flow(return_state=True)
    print(f"{state.name}: {state.message}")
    sys.exit(0 if is_well(state) else 1)


@contextmanager
def ready(check: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Start a server for the flows of the block, and give a function that waits for it, or raises PipelineError.

    Exits with one line if nothing can run, and with 128 and the number of the signal if one ends it.
    """
    _end_orderly()
    settings = get_current_settings()
    with exit_on_error():
        check()
        if not settings.api.url:
            _require_home(settings.home)
    try:
        if settings.api.url:
            yield require_prefect
        else:
            # The server lives until Python ends, because the last lines of the log are sent then.
            atexit.register((stack := ExitStack()).close)
            given = {**os.environ, **settings.to_environment_variables(exclude_unset=True)}
            url, secret = stack.enter_context(server.running(given))
            with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: secret}, set_defaults=START):
                yield partial(server.wait, url, PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def is_well(state: State[Any]) -> bool:
    """Tell whether a run completed, and no person has to look."""
    return state.is_completed() and state.name not in (INCOMPLETE, SUSPECT)


def require_trainable() -> None:
    """Raise PipelineError for what would stop a training at its end: wrong settings, or a repository that takes no tag."""
    params.load(layout.PARAMS)
    versions.require_repository()


def require_prefect() -> None:
    """Raise PipelineError where no server answers at ``PREFECT_API_URL``: a temporary one forgets what it is told."""
    url = get_current_settings().api.url
    if not url:
        raise PipelineError("no PREFECT_API_URL. Set it to a Prefect server's, or start one of your own with `make serve`.")
    place = re.sub("//[^/]*@", "//", url)  # without a password
    with get_client(sync_client=True) as client:
        if not (failure := client.api_healthcheck()):
            try:
                client.api_version()
            except HTTPStatusError as error:
                if error.response.status_code != HTTPStatus.UNAUTHORIZED:
                    raise
                raise PipelineError(
                    f"{place}: it asks for a password. Set PREFECT_API_AUTH_STRING; that of `make serve` stands in "
                    f"{password.FILE}."
                ) from error
    if failure:
        reason = " ".join(str(failure).split()).rstrip(".") or type(failure).__name__
        raise PipelineError(
            f"{place}: no Prefect server answers: {reason}. Start it, or unset PREFECT_API_URL to run on a temporary one."
        )


def _require_home(home: Path) -> None:
    """Raise PipelineError where a temporary server has no place for its files."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise PipelineError(
            f"{shown(home)}: Prefect cannot write its files: {error.strerror}. Make it writable, or name another folder in "
            f"PREFECT_HOME."
        ) from error


def _end_orderly() -> None:
    """Turn signals that would kill the process at once into an exit, so that Python can end the server."""
    for one in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) is signal.SIG_DFL:
            signal.signal(one, lambda number, _: sys.exit(128 + number))
