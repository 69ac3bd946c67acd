"""How fast folders are scored, beside what Keras users write and beside reading and decoding alone: ``make bench-scoring``.

Whole processes, in turn, on the same pictures and the same network. ``make bench-scoring MILLION=1`` measures a million too.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.tables import replace_table
from pipeline import cores, layout
from pipeline.datasets import sample
from pipeline.registry import contents

SIZES = {100: 5, 10_000: 5, 100_000: 5}
MILLION = 1_000_000
NEW = 10
# Memory is sampled in a run that is not timed, and in the long one, where sampling takes no time that counts.
SECONDS_BETWEEN_SAMPLES = {10_000: 0.05, MILLION: 2.0}
TEST_IMAGES = 10_000


@dataclass(frozen=True)
class Run:
    """A whole process: its wall time, and the most memory (PSS) that it and its children held together; bytes, 0 unwatched."""

    seconds: float
    memory: int


def main() -> None:
    """Measure, and write the table into docs/benchmarks.md."""
    processes = cores.usable()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        model = place / layout.KERAS_MODEL
        shutil.copyfile(layout.MODEL / layout.KERAS_MODEL, model)
        contents.load("champion")
        sample.cut(layout.ARRAYS, place / "sample", count=TEST_IMAGES)
        pictures = [file.read_bytes() for file in sorted((place / "sample").iterdir())]
        ours: dict[int, list[Run]] = {}
        peers: dict[int, list[Run]] = {}
        limits: list[Run] = []
        again: list[Run] = []
        memory: dict[int, int] = {}
        for size, repeats in SIZES.items():
            folder = fill(place / f"{size}", pictures, size)
            ours[size], peers[size] = [], []
            for _ in range(repeats):
                ours[size].append(score(folder, place / "out"))
                peers[size].append(run("bench.keras_idiom", folder, model, place / "peer.csv"))
                if size == max(SIZES):
                    limits.append(run("bench.decoding_limit", folder, processes))
            if size == max(SIZES):
                for number in range(repeats):
                    fill(folder, pictures, NEW, prefix=f"new{number}-")
                    again.append(score(folder, place / "out", fresh=False))
            if size in SECONDS_BETWEEN_SAMPLES:
                memory[size] = score(folder, place / "out", watched=size).memory
            shutil.rmtree(folder)
        if "--million" in sys.argv:
            ours[MILLION] = [score(fill(place / f"{MILLION}", pictures, MILLION), place / "out", watched=MILLION)]
            memory[MILLION] = ours[MILLION][0].memory
        replace_table("scoring", table(ours, peers, limits, again, memory, processes))


def fill(folder: Path, pictures: list[bytes], count: int, prefix: str = "") -> Path:
    """Write pictures into a folder, over and over."""
    folder.mkdir(exist_ok=True)
    for index in range(count):
        (folder / f"{prefix}{index:07d}.png").write_bytes(pictures[index % len(pictures)])
    return folder


def score(folder: Path, out: Path, *, fresh: bool = True, watched: int = 0) -> Run:
    """Run the command as users do, with the report; ``watched``: the size to watch its memory as."""
    if fresh:
        shutil.rmtree(out, ignore_errors=True)
    return run("pipeline", "score", folder, "--out", out, watched=watched)


def run(module: str, *arguments: object, watched: int = 0) -> Run:
    """Run a module of Python in a process of its own. Raises SystemExit where it fails."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    most = [0]
    if watched:
        threading.Thread(target=_watch, args=[process, most, SECONDS_BETWEEN_SAMPLES[watched]]).start()
    if process.wait():
        raise SystemExit(f"python -m {module} {' '.join(map(str, arguments))} failed.")
    return Run(time.monotonic() - began, most[0])


def _watch(process: "subprocess.Popen[bytes]", most: list[int], seconds_between: float) -> None:
    while process.returncode is None:
        most[0] = max(most[0], sum(map(_pss, _family(process.pid))))
        time.sleep(seconds_between)


def _family(process: int) -> list[int]:
    try:
        children = [int(child) for task in Path(f"/proc/{process}/task").iterdir() for child in _words(task / "children")]
    except OSError:
        return []
    return [process, *(one for child in children for one in _family(child))]


def _pss(process: int) -> int:
    lines = _words(Path(f"/proc/{process}/smaps_rollup"))
    return int(lines[lines.index("Pss:") + 1]) * 1024 if "Pss:" in lines else 0


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:  # it has just ended
        return []


def table(
    ours: dict[int, list[Run]],
    peers: dict[int, list[Run]],
    limits: list[Run],
    again: list[Run],
    memory: dict[int, int],
    processes: int,
) -> str:
    """Write the table."""
    small, middle, large = SIZES

    def ratio(size: int) -> str:
        return _ratio([one.seconds / peer.seconds for one, peer in zip(ours[size], peers[size], strict=True)])

    of_limit = [limit.seconds / one.seconds for limit, one in zip(limits, ours[large], strict=True)]
    first = median(run.seconds for run in ours[large])
    rows = [
        (f"{small} PNGs of 28x28, whole command ÷ peer", "1/6", "1/20", ratio(small)),
        (f"{middle:,}", "1/6", "1/12", ratio(middle)),
        (f"{large:,}", "1/3", "1/5", ratio(large)),
        (f"images per second ÷ the read-and-decode limit, at {large:,}", "0.20", "0.30", _ratio(of_limit)),
        (
            f"again with {NEW} new files among {large:,} ÷ first run",
            "1/4",
            "1/10",
            _ratio([one.seconds / first for one in again]),
        ),
        *_of_a_million(ours, memory, middle),
    ]
    lines = ["| what | bound | aim | measured |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    seconds = "; ".join(
        f"{size:,}: {_seconds(ours[size])}" + (f", peer {_seconds(peers[size])}" if size in peers else "") for size in ours
    )
    words = (
        f"{processes} cores ({platform.machine()}). Seconds of the whole process (medians): {seconds}; reading and decoding "
        f"{large:,}: {_seconds(limits)}; again with {NEW} new files: {_seconds(again)}."
    )
    return "\n".join([*lines, "", words])


def _of_a_million(ours: dict[int, list[Run]], memory: dict[int, int], middle: int) -> list[tuple[str, str, str, str]]:
    held = ", ".join(f"{one / 1e6:.0f} MB" for one in memory.values())
    if MILLION not in ours:
        return [(f"memory at {middle:,}", "500 MB", "300 MB", held)]
    each = {size: median(run.seconds for run in ours[size]) / size for size in (middle, MILLION)}
    return [
        (f"seconds per image at {MILLION:,} ÷ at {middle:,}", "1.1", "1.0", f"{each[MILLION] / each[middle]:.2f}"),
        (f"memory at {middle:,} and {MILLION:,}", "500 MB", "300 MB", held),
    ]


def _ratio(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f} of {len(values)})"


def _seconds(runs: list[Run]) -> str:
    return f"{median(run.seconds for run in runs):.1f}"


if __name__ == "__main__":
    main()
