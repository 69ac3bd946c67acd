"""What the expectations catch, how often they cry wolf, and what they cost: ``make bench-quality``.

Needs MNIST in ``data/raw/``. With ``--calibrate`` it makes the reference anew, and prints how far good data goes.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import fields
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from bench.corruptions import CORRUPTIONS, Corruption, Files, files_of
from bench.tables import replace_table
from pipeline import layout, params
from pipeline.datasets import idx, raw
from pipeline.datasets.raw import RawData
from pipeline.digits.arrays import Images, Labels
from pipeline.digits.pictures import features
from pipeline.digits.pictures.features import TRAIN
from pipeline.params import Validate
from pipeline.quality import checks, expectations, reference, tables
from pipeline.quality.checks import Finding, Findings
from pipeline.quality.reference import Reference
from pipeline.quality.tables import Split
from pipeline.stages import ingest, validate

DRAWS = 200
SEEDS = 10
TRAINING_IMAGES, TEST_IMAGES = 6000, 1000
REPEATS = 5
PAGE = Path("docs/data.md")
ONCE = "--once"
GAP = 15
COMPONENTS, SHRINKAGE = 30, 0.2
EXTREMES = ["mean", "maximum", "border", "off_centre", "strangeness"]


def main() -> None:
    """Measure, and write the tables into docs/data.md and docs/benchmarks.md."""
    bounds = params.load(layout.PARAMS).validate
    if sys.argv[1:2] == [ONCE]:
        validate.run(layout.RAW, Path(sys.argv[2]), bounds=bounds)
        return
    mnist = raw.read(layout.RAW)
    if mnist.dataset != "mnist":
        raise SystemExit(f"{layout.RAW}: holds {mnist.dataset}. Set ingest.dataset to mnist and run `dvc repro ingest`.")
    if "--calibrate" in sys.argv:
        calibrate({"mnist": mnist, "load_digits": sample()})
        return
    replace_table("validation", cost())
    with tempfile.TemporaryDirectory() as name:
        rows = [caught(one, mnist, bounds, Path(name)) for one in CORRUPTIONS]
        replace_table("corruptions", "\n".join([*HEAD, *rows]), PAGE)
        replace_table("false-alarms", false_alarms(mnist, bounds, Path(name)), PAGE)


HEAD = (
    "| corruption | caught by | severity | alarms | the message |",
    "|---|---|---|---|---|",
)


def sample() -> RawData:
    """Give the digits that scikit-learn carries."""
    return RawData("load_digits", *(idx.decode(content) for content in ingest.sample().values()))


def calibrate(known: dict[str, RawData]) -> None:
    """Make the reference of each data set, from its training images, and print how far its images go."""
    splits = {
        name: [Split(TRAIN, data.train_images, data.train_labels), Split(validate.TEST, data.test_images, data.test_labels)]
        for name, data in known.items()
    }
    made = {}
    for name, (split, _) in splits.items():
        table = features.image_features(split.images, split.labels, split.name, split.image_names)
        made[name] = fit(split.images, split.labels, table)
    arrays = {f"{name}.{field.name}": getattr(one, field.name) for name, one in made.items() for field in fields(Reference)}
    np.savez_compressed(reference.FILE, **arrays)
    for name, held_to in product(known, known):
        described = tables.describe(splits[name], made[held_to], {})
        print(f"\n{name}, by the reference of {held_to}")
        print(f"drift {described.drift['drift'].abs().max():.2f}, gain when turned {described.orientations['gain'].max():.2f}")
        print(f"share of a digit {described.classes['share'].min():.3f} to {described.classes['share'].max():.3f}")
        images = described.images.assign(
            disagrees=described.images["label_gap"] > 0, misfits=described.images["label_gap"] > GAP
        )
        print(images.groupby("split")[["disagrees", "misfits"]].mean())
        print(images.groupby("split")[EXTREMES].agg(["min", "max"]).T)


def fit(images: Images, labels: Labels, described: pd.DataFrame) -> Reference:
    """Make a reference from good images, (N, 28, 28) uint8, their labels (N,) and the table of their features."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    pixels = images.reshape(len(images), -1).astype(np.float32) / 255
    principal = PCA(COMPONENTS, svd_solver="covariance_eigh").fit(pixels)
    analysis = QuadraticDiscriminantAnalysis(priors=[0.1] * 10, reg_param=SHRINKAGE)
    analysis.fit(principal.transform(pixels), labels)
    shape = described[list(features.SHAPE)].groupby(labels)
    # A digit that has a feature always alike is not held to that: ones are 20 high to the pixel.
    common = shape.std().pow(2).mean().pow(0.5)
    values = (
        principal.mean_,
        principal.components_.T,
        analysis.means_,
        [turn / np.sqrt(scale) for turn, scale in zip(analysis.rotations_, analysis.scalings_, strict=True)],
        [-0.5 * np.log(scale).sum() for scale in analysis.scalings_],
        shape.mean(),
        np.maximum(shape.std().to_numpy(), common.to_numpy() / 2),
    )
    return Reference(*(np.asarray(value, np.float32) for value in values))


def draw(data: RawData, random: np.random.Generator, *, with_copies: bool) -> RawData:
    """Draw images, from each split its own."""
    trained = random.choice(len(data.train_images), TRAINING_IMAGES, replace=with_copies)
    tested = random.choice(len(data.test_images), TEST_IMAGES, replace=with_copies)
    return RawData(
        data.dataset,
        data.train_images[trained],
        data.train_labels[trained],
        data.test_images[tested],
        data.test_labels[tested],
    )


def verdict_on(dataset: str, files: Files, bounds: Validate, folder: Path) -> Findings:
    """Validate files, without pages."""
    raw.write(folder, dataset, files)
    faults = raw.inspect(folder)
    if any(one.is_broken for one in faults):
        return checks.check([expectations.of_files(faults)])
    return checks.check(validate.expect(dataset, validate.read(folder), bounds))


def caught(corruption: Corruption, data: RawData, bounds: Validate, folder: Path) -> str:
    """Corrupt ten draws of a data set, and give a row of the table."""
    hits: list[Finding] = []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        part = draw(data, random, with_copies=False)
        verdict = verdict_on(data.dataset, corruption.corrupt(part, random), bounds, folder / "raw")
        found = [one for one in verdict.failures if one.expectation == corruption.expectation]
        hits += [one for one in found if one.severity == corruption.severity][:1]
    message = str(hits[0]).replace("|", "\\|") if hits else ""
    row = f"| {corruption.name} | `{corruption.expectation}` | {corruption.severity} | {len(hits)} of {SEEDS} | {message} |"
    print(row, flush=True)
    return row


def false_alarms(data: RawData, bounds: Validate, folder: Path) -> str:
    """Count the failures of draws of good data."""
    failures: Counter[tuple[str, str]] = Counter()
    stopped = 0
    for seed in range(DRAWS):
        drawn = draw(data, np.random.default_rng(seed), with_copies=True)
        verdict = verdict_on(data.dataset, files_of(drawn), bounds, folder / "raw")
        stopped += verdict.severity == expectations.CRITICAL
        failures.update({(one.severity, one.expectation) for one in verdict.failures})
    rows = [f"| `{name}` | {severity} | {count} |" for (severity, name), count in sorted(failures.items())]
    return "\n".join(
        [f"| failed in {DRAWS} draws | severity | draws |", "|---|---|---|", *rows, f"| any | critical | {stopped} |"]
    )


def cost() -> str:
    """Time whole processes that validate MNIST's 70,000 images, pages and all."""
    seconds = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            started = time.monotonic()
            command = [sys.executable, "-m", "bench.quality", ONCE, f"{folder}/validation"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.monotonic() - started)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    spread = f"{min(seconds):.1f} to {max(seconds):.1f} of {REPEATS}"
    return (
        "| what | bound | measured |\n|---|---|---|\n"
        f"| validate 70,000 images, a whole process | 15 s | {median(seconds):.1f} s ({spread}) |\n"
        f"| memory, at most | 1 GB | {memory / 1e6:.0f} MB |"
    )


if __name__ == "__main__":
    main()
