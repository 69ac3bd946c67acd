"""A cluster of Dask on this machine: a scheduler and workers, each a process of its own that can be stopped or killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.conftest import ROOT

# How long a process may take to begin, in seconds.
LONGEST = 60


@dataclass
class Dask:
    """The cluster: where its files lie, and its processes."""

    folder: Path
    address: str = ""
    scheduler: "subprocess.Popen[bytes] | None" = None
    nannies: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def start(self, port: int = 0) -> None:
        """Start the scheduler."""
        about = self.folder / "scheduler.json"
        about.unlink(missing_ok=True)
        where = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--scheduler-file", str(about))
        self.scheduler = self._begin("scheduler", *where)
        _wait_for(about.exists)
        self.address = _address_in(about)

    def add(self, *, path: Path = ROOT, startup: str = "", threads: int = 1) -> None:
        """Start a worker, of the code at a path; ``startup``: what its Python begins with."""
        before = len(self.workers())
        place = self.folder / f"worker-{len(self.nannies)}"
        place.mkdir(exist_ok=True)
        (place / "sitecustomize.py").write_text(startup)
        # As a service does, it begins somewhere else than the run.
        arguments = ("--nthreads", str(threads), "--no-dashboard", "--local-directory", str(place), "--death-timeout", "60")
        paths = os.pathsep.join(map(str, (place, path)))
        self.nannies.append(self._begin("worker", self.address, *arguments, PYTHONPATH=paths))
        _wait_for(lambda: len(self.workers()) > before)

    def workers(self) -> list[psutil.Process]:
        """Find the processes of the workers, each below its nanny."""
        found: list[psutil.Process] = []
        for nanny in self.nannies:
            with suppress(psutil.Error):
                children = psutil.Process(nanny.pid).children()
                found += [one for one in children if "spawn_main" in " ".join(one.cmdline())]
        return found

    def kill_scheduler(self) -> int:
        """Kill it, and give its port."""
        assert self.scheduler
        self.scheduler.kill()
        self.scheduler.wait()
        return int(self.address.rpartition(":")[2])

    def end(self) -> None:
        """End all of it."""
        for one in self.workers():
            with suppress(psutil.Error):
                one.send_signal(signal.SIGCONT)
        started = [one for one in (*self.nannies, self.scheduler) if one]
        for process in started:
            with suppress(psutil.Error):
                for one in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.Error):
                        one.kill()
            process.kill()
        for process in started:
            process.wait()

    def _begin(self, what: str, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{what}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "dask", what, *arguments],
                cwd=self.folder,
                env={**os.environ, "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "false", **environment},
                stdout=log,
                stderr=log,
            )


@contextmanager
def running(folder: Path, workers: int = 2) -> Iterator[Dask]:
    """Run a cluster for the length of a block."""
    dask = Dask(folder)
    try:
        dask.start()
        for _ in range(workers):
            dask.add()
        yield dask
    finally:
        dask.end()


def _wait_for(condition: "object") -> None:
    began = time.monotonic()
    while not condition():  # type: ignore[operator]
        assert time.monotonic() - began < LONGEST, "it does not begin"
        time.sleep(0.05)


def _address_in(about: Path) -> str:
    import json

    return str(json.loads(about.read_text(encoding="utf-8"))["address"])
