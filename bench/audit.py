"""How many labels that were changed on purpose an audit finds, what it finds in MNIST, and its time: ``make bench-quality``.

Folders of labelled scans may follow. Needs MNIST, and a champion.
"""

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np

from bench.tables import replace_table
from pipeline import console, layout, params
from pipeline.labelled import labels
from pipeline.quality import audit

CHANGED, SEEDS = 0.05, 5
# Of MNIST's test images, those whose label most of five people did not give: Northcutt, Athalye and Mueller (2021).
WRONG = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)
FIRST = (50, 100)


def main() -> None:
    """Measure, and write the tables into docs/benchmarks.md."""
    lines = [
        "| labels, 5 % of them changed | found among as many first | of those that are called wrong, changed | time |",
        "|---|---|---|---|",
    ]
    lines += [_row(Path(name)) for name in sys.argv[1:]]
    if len(lines) > 2:
        replace_table("changed-labels", "\n".join(lines))
    replace_table("wrong-labels", "\n".join(_dataset()))


def _row(folder: Path) -> str:
    found = [_changed(folder, seed) for seed in range(SEEDS)]
    with tempfile.TemporaryDirectory() as name:
        seconds = _timed(str(folder), "--out", name)
    recall, precision = (mean(one[column] for one in found) for column in (0, 1))
    return f"| {folder.name}, {found[0][2]:,} | {recall:.0%} | {precision:.0%} | {seconds:.1f} s |"


def _changed(folder: Path, seed: int) -> tuple[float, float, int]:
    """Change labels, audit them, and give what share of the changed ones comes first, and is among those called wrong."""
    table, random = labels.table_of(folder), np.random.default_rng(seed)
    if table is None:
        sys.exit(f"{folder}: no table of labels")
    rows = [(name, label) for name, _, label in labels.read_table(table) if label in labels.DIGITS]
    chosen = set(random.choice(len(rows), round(CHANGED * len(rows)), replace=False).tolist())
    other = [(int(label) + int(random.integers(1, 10))) % 10 for _, label in rows]
    with tempfile.TemporaryDirectory() as name:
        copy = shutil.copytree(folder, Path(name, "scans"))
        given = [(file, other[n] if n in chosen else label) for n, (file, label) in enumerate(rows)]
        (copy / labels.FILE).write_text("file,label\n" + "".join(f"{file},{label}\n" for file, label in given))
        found = audit.of_folder(copy, Path(name, "out"), params.load(layout.PARAMS), print, console.progress)
    changed = {rows[n][0] for n in chosen}
    first, called = [line[0] for line in found.lines[: len(chosen)]], [line[0] for line in found.lines if line[-1] == "yes"]
    return len(changed & set(first)) / len(chosen), len(changed & set(called)) / max(1, len(called)), len(rows)


def _dataset() -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        seconds = _timed("--out", name)
        with Path(name, audit.CSV).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    wrong = {f"test-{number:05d}.png" for number in WRONG}
    every = [row["file"] for row in rows]
    lines = [
        "| of MNIST's 70,000 labels | |",
        "|---|---|",
        f"| called wrong | {sum(row['likely_wrong'] == 'yes' for row in rows)} |",
    ]
    places = {"all": every, "the test images alone": [one for one in every if one.startswith("test")]}
    lines += [
        f"| of 15 known wrong test labels, among the first {first} of {words} | {len(wrong & set(some[:first]))} |"
        for words, some in places.items()
        for first in FIRST
    ]
    return [*lines, f"| time, a whole process | {seconds:.0f} s |"]


def _timed(*arguments: str) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "pipeline", "audit", "--first", "0", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
