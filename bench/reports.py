"""What a batch report costs, weighs, and takes to open: ``make bench-reports``.

Whole commands with and without the report, in turn, on the same pictures: MNIST's of 28x28, which cost least to score, and
scans of 100 pixels as JPEG files. A browser opens the pages without a network.
"""

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from bench.scoring import Run, fill, run
from bench.tables import replace_table
from pipeline import layout
from pipeline.datasets import dataset
from pipeline.digits.network.slices import SLICES
from pipeline.registry import contents

COUNT = 10_000
REPEATS = 11
KINDS = {"PNGs of 28x28": "plain", "JPEGs of 100x100": "jpeg"}
# A report shows only a part of so many.
MANY, MANY_REPEATS = 100_000, 5


def main() -> None:
    """Measure, and write the table into docs/benchmarks.md."""
    images = dataset.read(layout.ARRAYS).test_images
    contents.load("champion")
    rows = []
    for words, kind in KINDS.items():
        random = np.random.default_rng(0)
        pictures = [SLICES[kind](images[number % len(images)][..., 0], random) for number in range(COUNT)]
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            folder = fill(place / "batch", pictures, COUNT)
            more = _spread([cost(folder, place, number) for number in range(REPEATS)], "{:+.1%}")
            rows.append((f"{COUNT:,} {words}", more, *_page(place)))
            if kind == "plain":
                fill(folder, pictures, MANY)
                more = _spread([cost(folder, place, number) for number in range(MANY_REPEATS)], "{:+.1%}")
                rows.append((f"{MANY:,} of them", more, *_page(place)))
                again = [
                    cost(fill(folder, pictures, 1, f"new{number}-"), place, number, fresh=False)
                    for number in range(MANY_REPEATS)
                ]
                rows.append(("again with one more", _spread(again, "{:+.1%}"), "", ""))
    head = ["| batch | time of the run (bound at 10,000: 15 %) | size (25 MB) | opens in (2 s) |", "|---|---|---|---|"]
    replace_table("reports", "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)]))


def cost(folder: Path, place: Path, number: int, *, fresh: bool = True) -> float:
    """Score a folder without the report and with it, and give the share of time that the report takes more.

    Of an odd ``number`` with it first: what runs second finds the disk busy with what the first wrote.
    """
    ways = [("without", ["--no-report"]), ("with", [])]
    seconds = {name: score(folder, place / name, *options, fresh=fresh).seconds for name, options in ways[:: (-1) ** number]}
    return seconds["with"] / seconds["without"] - 1


def _page(place: Path) -> tuple[str, str]:
    page = place / "with/report.html"
    return f"{page.stat().st_size / 1e6:.1f} MB", _spread(opened(page), "{:.2f} s")


def score(folder: Path, out: Path, *options: str, fresh: bool) -> Run:
    """Run the command, on a folder that was not scored before where ``fresh``."""
    if fresh:
        shutil.rmtree(out, ignore_errors=True)
    return run("pipeline", "score", folder, "--out", out, *options)


def opened(page: Path) -> list[float]:
    """Open a page in new browsers, and give the seconds until its first cards are there."""
    from playwright.sync_api import sync_playwright

    seconds = []
    for _ in range(REPEATS):
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            tab = browser.new_context(offline=True).new_page()
            began = time.monotonic()
            tab.goto(page.as_uri())
            tab.locator(".card").first.wait_for()
            seconds.append(time.monotonic() - began)
            browser.close()
    return seconds


def _spread(values: list[float], form: str) -> str:
    low, middle, high = (form.format(value) for value in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high} of {len(values)})"


if __name__ == "__main__":
    main()
