"""The password of the servers of ``make serve``: made at the first start, readable for the owner alone."""

import secrets
from pathlib import Path

from flows.processes import HOME
from pipeline import atomic
from pipeline.errors import PipelineError

FILE = HOME / "password"
# With this mask, nobody else can read what this process writes.
UMASK = 0o077
USER = "digits"


def kept() -> str:
    """Give the ``user:password`` in ``.prefect/password``, which is made if it is not there. Raises PipelineError."""
    try:
        known = FILE.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        known = new()
        atomic.write_text(FILE, f"{known}\n")
    except (OSError, ValueError) as error:
        raise PipelineError(f"{FILE}: cannot be read: {error}. Delete it, and the next start makes another.") from error
    user, _, password = known.partition(":")
    if not (user and password and known.isprintable()):
        raise PipelineError(f"{FILE}: no `user:password`. Delete it, and the next start makes another.")
    return known


def new() -> str:
    """Make a ``user:password`` whose password has 256 random bits."""
    return f"{USER}:{secrets.token_urlsafe(32)}"


def keep_to_owner(home: Path = HOME) -> None:
    """Make a folder and everything in it accessible to the owner alone. Raises PipelineError."""
    with atomic.refusals_of(home):
        for path in (home, *home.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)
