"""The bytes of versions on their way to a DVC remote and back, each way in a process with an end."""

import json
import sys
from typing import Any

from pipeline import calling
from pipeline.calling import RemoteError
from pipeline.registry.remotes.team import Team

# Whoever waits longer than this, in seconds, waits for something that hangs: a version has some tens of megabytes.
MOST_SECONDS = 600


class LackingError(RemoteError):
    """A version's bytes are neither here nor on the remote."""


def push(team: Team, commit: str, model: str) -> str:
    """Push the bytes that a commit names (an empty text stands for the workspace), and give a remark, if there is one.

    ``model``: the hash of the folder without which a version is of no use. Raises RemoteError, and LackingError without that.
    """
    done = _run(team, MOST_SECONDS, "push", commit=commit, model=model)
    if lacking := done["lacking"]:
        raise LackingError(f"{lacking} files of its model are neither in DVC's cache nor in {team.objects}")
    return str(done["remark"])


def fetch(team: Team, hashed: str, names: list[str], seconds: float) -> None:
    """Fetch the file that has a hash, or of the folder that has it the files of some ``names``. Raises RemoteError."""
    _run(team, seconds, "fetch", hashed=hashed, names=names)


def fetch_run_cache(team: Team) -> str:
    """Fetch what other machines know of stages that ran there, and give a remark, if there is one. Raises RemoteError."""
    return str(_run(team, MOST_SECONDS, "run-cache")["remark"])


def check(team: Team, seconds: float) -> dict[str, str]:
    """Try to read and to write: the ``address``, and under ``read`` and ``write`` a fault or nothing. Raises RemoteError."""
    return dict(_run(team, seconds, "check"))


def _run(team: Team, seconds: float, task: str, **details: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "pipeline.registry.remotes.transfer", task, json.dumps(details)]
    try:
        found = json.loads(calling.without_credentials(calling.call(command, seconds)))
    except RemoteError as error:
        raise RemoteError(f"{team.objects}: {error}") from error
    except ValueError:
        raise RemoteError(f"{team.objects}: what DVC did cannot be read") from None
    return dict(found)
