"""Processes that a command starts: a log for each of ``make serve``, and an end in order."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import BinaryIO

import psutil

from pipeline import atomic
from pipeline.errors import PipelineError

HOME = Path(".prefect")
# What these say is of use when something fails; what the worker says, and so what the flows do, is for the terminal.
LOGGED = ("server", "pages")
# A stage that is stopped has twenty seconds; its run tells the server then.
STOP_SECONDS = 40


@contextmanager
def process(name: str, command: Sequence[str], *files: BinaryIO | socket, umask: int = -1) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process with some open files, and in the end stop it and all that it started.

    The lock is one of the files: while any such process is left, whatever became of this one, nobody starts them twice.
    """
    with atomic.refusals_of(HOME), (HOME / f"{name}.log").open("wb") as file:
        output = file if name in LOGGED else None
        started = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            pass_fds=[one.fileno() for one in files],
            start_new_session=True,
            umask=umask,
        )
    try:
        yield started
    finally:
        end(started, STOP_SECONDS)


def runs_of(worker: subprocess.Popen[bytes]) -> set[psutil.Process]:
    """Give the processes that a worker started: each is a run."""
    try:
        return set(psutil.Process(worker.pid).children())
    except psutil.NoSuchProcess:
        return set()


def end_runs(worker: subprocess.Popen[bytes], runs: set[psutil.Process]) -> None:
    """Let a worker's runs end in order, while the server can be told; the worker stands still and starts no others."""
    worker.send_signal(signal.SIGSTOP)
    runs |= runs_of(worker)
    for run in filter(works, runs):
        run.terminate()
    for _ in range(5 * STOP_SECONDS):
        if not any(map(works, runs)):
            break
        time.sleep(0.2)
    worker.send_signal(signal.SIGCONT)


def holding(file: Path) -> list[psutil.Process]:
    """Give the other processes that have a file open, in the order in which they were started, with their command lines."""
    found = psutil.process_iter(["open_files", "cmdline", "create_time"])
    path = str(file.resolve())
    others = (one for one in found if one.pid != os.getpid())
    holders = [one for one in others if path in (opened.path for opened in one.info["open_files"] or ())]
    return sorted(holders, key=lambda one: one.info["create_time"])


def family(process: psutil.Process) -> list[psutil.Process]:
    """Give a process and all that it started, and they in turn; none where it has ended."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def works(process: psutil.Process) -> bool:
    """Tell whether a process still does anything; one that ended stays in the list until its parent looks."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Stop a process, and at once whatever of those that it started does not stop with it."""
    try:
        started = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for one in psutil.wait_procs(started, 1)[1]:
        one.kill()


def require(running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Raise PipelineError where a process has ended."""
    for name, process in running.items():
        if process.poll() is not None:
            where = f"{HOME}/{name}.log" if name in LOGGED else "what it said above"
            raise PipelineError(f"the {name} ended with {process.returncode}. See {where}, then start again.")
