"""The processes of ``make serve``: their logs, and their end in order.

A systemd unit would end them all together. In a terminal nothing does, and runs must report their end to the server first.
"""

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
from pipeline.names import counted

HOME = Path(".prefect")
# These write a log. The worker, and with it the flows, writes to the terminal.
LOGGED = ("server", "pages")
# A stage has twenty seconds to stop, and then its run has to report to the server.
STOP_SECONDS = 40


@contextmanager
def process(name: str, command: Sequence[str], *files: BinaryIO | socket, umask: int = -1) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process with some open files, and at the end stop it and all that it started.

    The lock is one of the files: nobody can start these processes again while one of them lives, even without this one.
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


def children(pid: int, *, recursive: bool = False) -> list[psutil.Process]:
    """Give a process's children, which are a worker's runs, or all its descendants; none if it has ended."""
    try:
        return list(psutil.Process(pid).children(recursive))
    except psutil.NoSuchProcess:
        return []


def end_runs(worker: subprocess.Popen[bytes], runs: set[psutil.Process]) -> None:
    """End a worker's runs while they can still report to the server. The worker is halted meanwhile, and starts no others."""
    worker.send_signal(signal.SIGSTOP)
    runs |= {*children(worker.pid)}
    working = [run for run in runs if works(run)]
    if working:
        print(f"waiting for {counted(len(working), 'run')} to end, {STOP_SECONDS} s at most", flush=True)
    for run in working:
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


def works(process: psutil.Process) -> bool:
    """Tell whether a process is at work. One that ended is listed until its parent asks for its exit code."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Stop a process, and kill those of its descendants that do not stop with it."""
    started = children(process.pid, recursive=True)
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
