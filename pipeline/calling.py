"""Calling a program that talks to another machine: never a prompt, an end to every wait, no password in what is said."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from pipeline.errors import PipelineError

# Without a terminal, no program can ask; these keep Git, SSH and helpers from opening a window for it.
SILENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never", "GCM_INTERACTIVE": "never"}
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


class RemoteError(PipelineError):
    """Another machine did not do what it was asked; its message has no full stop at its end."""


def call(command: Sequence[str], seconds: float) -> str:
    """Run a program in a session of its own, and give what it prints. Raises RemoteError with its words, or past ``seconds``.

    If it is stopped, all that it started ends with it.
    """
    given = {**os.environ, **SILENT, "LC_ALL": "C"}
    # A file, because what the program started, such as SSH, may keep a pipe open.
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="surrogateescape",
                start_new_session=True,
            )
        except FileNotFoundError:
            raise RemoteError(f"{command[0]}: not found") from None
        with process:
            try:
                printed, _ = process.communicate(timeout=max(seconds, 0))
            except BaseException as stopped:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                if isinstance(stopped, subprocess.TimeoutExpired):
                    raise RemoteError(f"no answer within {max(seconds, 0):.0f} s") from None
                raise
        if process.returncode:
            errors.seek(0)
            words = without_credentials(errors.read().decode(errors="replace"))
            raise RemoteError(" ".join(words.split()).rstrip(".") or f"{command[0]} ended with {process.returncode}")
    return printed


def without_credentials(text: str) -> str:
    """Take the names and passwords out of the addresses in a text."""
    return CREDENTIALS.sub("", text)
