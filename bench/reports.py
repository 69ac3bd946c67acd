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

from bench.report import replace_table
from bench.scoring import Run, fill, run
from pipeline import dataset, layout, registry
from pipeline.digits.slices import SLICES

COUNT = 10_000
REPEATS = 11
KINDS = {"PNGs of 28x28": "plain", "JPEGs of 100x100": "jpeg"}


def main() -> None:
    """Measure, and write the table into docs/benchmarks.md."""
    images = dataset.read(layout.ARRAYS).test_images
    registry.load("champion")
    rows = []
    for words, kind in KINDS.items():
        random = np.random.default_rng(0)
        pictures = [SLICES[kind](images[number % len(images)][..., 0], random) for number in range(COUNT)]
        with tempfile.TemporaryDirectory() as name:
            folder, out = fill(Path(name) / "batch", pictures, COUNT), Path(name) / "out"
            pairs = [(score(folder, out, "--no-report"), score(folder, out)) for _ in range(REPEATS)]
            shares = [of.seconds / without.seconds - 1 for without, of in pairs]
            page = out / "report.html"
            size, seconds = f"{page.stat().st_size / 1e6:.1f} MB", _spread(opened(page), "{:.2f} s")
            rows.append((words, _spread(shares, "{:.1%}"), size, seconds))
    head = [f"| {COUNT:,} rows | time of the run, bound 15 % | size, bound 25 MB | opens in, bound 2 s |", "|---|---|---|---|"]
    replace_table("reports", "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)]))


def score(folder: Path, out: Path, *options: str) -> Run:
    """Run the command on a folder that was not scored before."""
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
