"""What own labelled scans bring, by their number: ``make bench-own FOLDER [OTHER…]``.

Half of FOLDER, chosen by the pictures themselves, is tested on. Of the other half ever more is trained on, beside MNIST. How
OTHER folders are read is told too: scans that nothing was learned from.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import TypeVar

import numpy as np

from bench import scans
from bench.tables import PAGE, replace_table
from pipeline import layout, params
from pipeline.datasets import dataset, own
from pipeline.datasets.own import Own
from pipeline.digits.network.model import in_batches
from pipeline.digits.network.second_look import look_again
from pipeline.labelled import choosing
from pipeline.quality.readings import Reader
from pipeline.stages import evaluate, train

SEEDS = 1, 2, 3
SIZES = 0, 50, 100, 200, 400, 800, 1600, 3200, 6400
# No other size is so near to all there are.
NEAR = 1.25
BATCH = 1000
END = "<!-- /own -->"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome:
    """A training: shares of right answers, and of own scans that are ``ok``, 0 to 1; ``others`` is a mean over folders."""

    right: float
    ok_right: float
    ok: float
    mnist: float
    others: float
    seconds: float


def main() -> None:
    """Train with each number of scans and each seed, in a process of its own, and write the table."""
    if len(sys.argv) < 2:
        raise SystemExit("Name a folder of labelled scans: make bench-own FOLDER [OTHER...]")
    folder, *others = map(Path, sys.argv[1:])
    every = read(folder)
    known = np.flatnonzero(every.parts != own.TEST)
    sizes = [size for size in SIZES if size * NEAR < len(known)] + [len(known)]
    rows = [
        f"{folder.name}: {(every.parts == own.TEST).sum():,} scans to test on; the mean of three seeds, and each.",
        "",
        "| scans | right | right of `ok` | `ok` | MNIST | other folders | seconds of `fit` |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        found = [apart(measure, first(every, size), seed, others) for seed in SEEDS]
        columns = [[getattr(one, field.name) for one in found] for field in fields(Outcome)]
        shares = [f"{mean(column):.2%} ({', '.join(f'{one:.2%}' for one in column)})" for column in columns[:4]]
        beside = f"{mean(columns[4]):.2%}" if others else ""
        rows.append(f"| {size} | {' | '.join(shares)} | {beside} | {mean(columns[5]):.0f} |")
        print(rows[-1], flush=True)
    place = f"own {folder.name}"
    page = PAGE.read_text(encoding="utf-8")
    if f"<!-- {place} -->" not in page:
        PAGE.write_text(page.replace(END, f"<!-- {place} -->\n<!-- /{place} -->\n\n{END}"), encoding="utf-8")
    replace_table(place, "\n".join(rows))


def apart(function: Callable[..., Result], *values: object) -> Result:
    """Call a function in a process of its own, which TensorFlow has not been in."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *values).result()


def read(folder: Path) -> Own:
    """Read a folder of labelled scans as ``collect`` does, half of it to test on."""
    settings, data = params.load(layout.PARAMS), dataset.read(layout.ARRAYS)
    half = settings.collect.model_copy(update={"test_share": 0.5})
    found = choosing.of_folder(folder, settings.score, print, lambda *_: None)
    found = choosing.leave_out(found, data.test_images[..., 0], half.test_share)
    print(sum(bool(one.reason) for one in found), "left out")
    return choosing.to_learn_from(found, half)


def first(every: Own, size: int) -> Own:
    """Leave so many scans that are not tested on: of a larger number, these are a part."""
    known = np.flatnonzero(every.parts != own.TEST)
    shuffled = known[np.random.default_rng(0).permutation(len(known))]
    chosen = np.sort(np.concatenate([shuffled[:size], np.flatnonzero(every.parts == own.TEST)]))
    return Own(*(getattr(every, field.name)[chosen] for field in fields(Own)))


def measure(some: Own, seed: int, others: list[Path]) -> Outcome:
    """Train with some scans and test on the others, on MNIST's test images and on other folders."""
    settings, data, tests = params.load(layout.PARAMS), dataset.read(layout.ARRAYS), some.part(own.TEST)
    with tempfile.TemporaryDirectory() as folder:
        model, started = Path(folder, "model"), time.perf_counter()
        train.run(model, Path(folder, "curves.csv"), some, settings.train.model_copy(update={"seed": seed}))
        seconds = time.perf_counter() - started
        classifier, temperature = evaluate.load(model)
    of_own = evaluate.measure_own(tests, Reader(classifier, temperature, BATCH, settings.score.minimum_confidence))
    logits = look_again(classifier, data.test_images, in_batches(classifier, data.test_images, BATCH), temperature)
    found = [scans.measure(scans.read_folder(one, settings.score), classifier, temperature, settings.score) for one in others]
    return Outcome(
        right=of_own["accuracy"],
        ok_right=of_own["ok_right"],
        ok=of_own["ok"],
        mnist=float((logits.argmax(axis=1) == data.test_labels).mean()),
        others=float(np.mean([one.right for one in found])) if found else 0.0,
        seconds=seconds,
    )


if __name__ == "__main__":
    main()
