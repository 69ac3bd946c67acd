"""How a cluster of Dask scores beside this machine alone, from files, archives and S3: part of ``make bench-scoring``.

Whole commands, in turn, on the same two cores. The cluster was used before, as one that exists already is.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from bench.scoring import MILLION, TEST_IMAGES, fill
from bench.tables import replace_table
from pipeline import layout
from pipeline.datasets import sample
from pipeline.registry import contents

IMAGES = 100_000
REPEATS = 5
SHARDS = 10
WORKERS = 2
SECONDS_BETWEEN_KILLS = 10
BUCKET = "scans"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}
# Serves S3 on a free port, which it prints, with what lies below a folder in a bucket already.
S3_SERVER = f"""
import sys
from pathlib import Path
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
bucket.create_bucket({BUCKET!r}, "us-east-1")
root = Path(sys.argv[1])
for path in sorted(root.rglob("*")):
    if path.is_file():
        bucket.put_object({BUCKET!r}, path.relative_to(root).as_posix(), path.read_bytes())
WSGIRequestHandler.log_request = lambda *_: None
WSGIRequestHandler.protocol_version = "HTTP/1.1"
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Run(NamedTuple):
    """A whole command: its seconds, the most memory of it or the scheduler, and the processor's seconds that it alone took."""

    seconds: float
    memory: int
    busy: float


class Dask:
    """A scheduler and workers, a process each, and a nanny for each worker."""

    def __init__(self, place: Path) -> None:
        """Start them."""
        about = place / "scheduler.json"
        where = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", about)
        self._processes = [_start("scheduler", *where)]
        while not about.exists():
            time.sleep(0.05)
        time.sleep(1)
        self.scheduler = self._processes[0].pid
        more = ("--scheduler-file", about, "--nthreads", "1", "--no-dashboard", "--local-directory", place)
        self._processes += [_start("worker", *more) for _ in range(WORKERS)]
        self.address = f"tcp://127.0.0.1:{psutil.Process(self.scheduler).net_connections('tcp4')[0].laddr.port}"

    def kill_a_worker(self) -> None:
        """Kill the oldest worker; its nanny starts another."""
        nannies = [psutil.Process(process.pid) for process in self._processes[1:]]
        workers = [one for nanny in nannies for one in nanny.children() if "spawn_main" in " ".join(one.cmdline())]
        with suppress(psutil.Error, ValueError):
            min(workers, key=psutil.Process.create_time).kill()

    def end(self) -> None:
        """End them."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait()


def main() -> None:
    """Measure, and write the table into docs/benchmarks.md."""
    contents.load("champion")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        sample.cut(layout.ARRAYS, place / "sample", count=TEST_IMAGES)
        pictures = [file.read_bytes() for file in sorted((place / "sample").iterdir())]
        files = fill(place / "files", pictures, IMAGES)
        tars = pack(files, place / "tars")
        dask = Dask(place)
        try:
            seconds, watched = _measured(place, files, tars, dask)
            kills, same = _with_kills(files, place, dask)
            if "--million" in sys.argv:
                shutil.rmtree(files)
                million = fill(place / "million", pictures, MILLION)
                watched[MILLION] = score(million, place, "--cluster", dask.address, also=dask)
                shutil.rmtree(place / "million")
                fill(files, pictures, IMAGES)
        finally:
            dask.end()
        stored = _from_storage(place, files, tars)
        replace_table("cluster", table(seconds, watched, kills, stored, is_same=same))


def _measured(place: Path, files: Path, tars: Path, dask: Dask) -> tuple[dict[str, list[float]], dict[int, Run]]:
    score(place / "sample", place, "--cluster", dask.address)
    seconds: dict[str, list[float]] = {"one": [], "two": [], "dask": [], "tars": []}
    for _ in range(REPEATS):
        seconds["one"].append(score(files, place, "--workers", "1").seconds)
        seconds["two"].append(score(files, place, "--workers", "2").seconds)
        seconds["dask"].append(score(files, place, "--cluster", dask.address).seconds)
        seconds["tars"].append(score(tars, place, "--workers", "2").seconds)
    return seconds, {IMAGES: score(files, place, "--cluster", dask.address, also=dask)}


def _with_kills(files: Path, place: Path, dask: Dask) -> tuple[int, bool]:
    """Kill a worker every ten seconds while a batch is scored again and again, and tell whether the bytes are the same."""
    score(files, place)
    expected, kills, same = (place / "out" / "scores.csv").read_bytes(), [0], True
    is_over = threading.Event()

    def kill() -> None:
        while not is_over.wait(SECONDS_BETWEEN_KILLS if kills[0] else SECONDS_BETWEEN_KILLS / 3):
            dask.kill_a_worker()
            kills[0] += 1

    killer = threading.Thread(target=kill)
    killer.start()
    for _ in range(3):
        score(files, place, "--cluster", dask.address)
        same &= (place / "out" / "scores.csv").read_bytes() == expected
    is_over.set()
    killer.join()
    return kills[0], same


def _from_storage(place: Path, files: Path, tars: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, folder in (("in tar shards", tars), ("as single objects", files)):
        with serving(folder) as address:
            environment = {**ENVIRONMENT, "AWS_ENDPOINT_URL": address}
            found[name] = score(f"s3://{BUCKET}", place, "--workers", "2", also=None, **environment).seconds
    return found


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder as a bucket of S3."""
    command = [sys.executable, "-c", S3_SERVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield f"http://127.0.0.1:{next(iter(server.stdout or ())).strip()}"
        finally:
            server.kill()


def pack(folder: Path, target: Path) -> Path:
    """Put the pictures of a folder into archives of as many each."""
    target.mkdir()
    names = sorted(folder.iterdir())
    size = len(names) // SHARDS
    for number in range(SHARDS):
        with tarfile.open(target / f"{number:03}.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
            for path in names[number * size : (number + 1) * size]:
                info, content = tarfile.TarInfo(path.name), path.read_bytes()
                info.size = len(content)
                archive.addfile(info, BytesIO(content))
    return target


def score(folder: Path | str, place: Path, *options: str, also: Dask | None = None, **environment: str) -> Run:
    """Run the command; with a scheduler ``also``, memory is the larger of both."""
    shutil.rmtree(place / "out", ignore_errors=True)
    command = [sys.executable, "-m", "pipeline", "score", str(folder), "--out", str(place / "out"), *options]
    began = time.monotonic()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **environment})
    most, busy = 0, 0.0
    while also and process.poll() is None:
        with suppress(psutil.Error):
            busy = sum(process.cpu_times()[:2])
            most = max(most, *(one.memory_full_info().pss for one in (process, psutil.Process(also.scheduler))))
        time.sleep(0.2)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed.")
    return Run(time.monotonic() - began, most, busy)


def _start(what: str, *arguments: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "dask", what, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def table(
    seconds: dict[str, list[float]], watched: dict[int, Run], kills: int, stored: dict[str, float], *, is_same: bool
) -> str:
    """Write the table."""

    def ratio(one: str, other: str) -> str:
        found = [first / second for first, second in zip(seconds[one], seconds[other], strict=True)]
        return f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f} of {len(found)})"

    held = ", ".join(f"{one.memory / 1e6:.0f} MB" for one in watched.values())
    busy = ", ".join(f"{one.busy / size * 1e6:.0f} µs" for size, one in watched.items())
    of_storage = "; ".join(f"{name} {one:.0f} s, {one / median(seconds['two']):.1f} times" for name, one in stored.items())
    rows = [
        (f"{IMAGES:,}, Dask with two worker processes ÷ two local processes", "1.20", "1.10", ratio("dask", "two")),
        ("two local processes ÷ one", "", "0.5", ratio("two", "one")),
        (f"{IMAGES:,} in {SHARDS} tar shards ÷ {IMAGES:,} files, local", "1.0", "0.8", ratio("tars", "two")),
        (f"the larger of scheduler and client, {' and '.join(f'{size:,}' for size in watched)}", "500 MB, flat", "", held),
        ("processor time of the client, for each picture", "", "", busy),
        (
            f"a worker killed every {SECONDS_BETWEEN_KILLS} s, {kills} times",
            "the same bytes",
            "",
            "the same" if is_same else "others",
        ),
        (f"{IMAGES:,} in S3 (moto) ÷ files, two local processes", "", "", of_storage),
    ]
    lines = ["| what | bound | aim | measured |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    names = {"one": "one process", "two": "two", "dask": "Dask", "tars": "tar shards"}
    medians = ", ".join(f"{words} {median(seconds[name]):.1f}" for name, words in names.items())
    return "\n".join([*lines, "", f"Seconds of the whole command (medians): {medians}."])


if __name__ == "__main__":
    main()
