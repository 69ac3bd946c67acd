"""How well and how fast the default recipe trains, beside ``plain`` over ten epochs: ``make bench-training``."""

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest import mock

import numpy as np

from bench.tables import replace_table
from pipeline import layout, params
from pipeline.datasets import dataset, own
from pipeline.digits.network import networks
from pipeline.digits.network.learning import training
from pipeline.digits.network.model import Classifier
from pipeline.stages import evaluate, train

SEEDS = 1, 2, 3
PLAIN_EPOCHS = 10
REPEATS = 9
IMAGES_A_CALL = 1000


@dataclass(frozen=True)
class Run:
    """One training: its metrics, the wall time of ``fit`` and its scoring model."""

    metrics: dict[str, Any]
    seconds: float
    model: bytes


def main() -> None:
    """Train both in turn, each time in a process of its own, and write the table into docs/benchmarks.md."""
    data = dataset.read(layout.ARRAYS)
    if data.name != "mnist":
        raise SystemExit(f"{layout.ARRAYS} holds {data.name}. Run `dvc repro reshape` with ingest.dataset: mnist first.")
    default = params.load(layout.PARAMS).train.architecture
    plain, runs = zip(*[(_apart(measure, "plain", seed), _apart(measure, default, seed)) for seed in SEEDS], strict=True)
    ratios = [one.seconds / other.seconds for one, other in zip(runs, plain, strict=True)]
    speeds = speed_ratios(runs[0].model, plain[0].model, data.test_images)

    def each(name: str) -> list[float]:
        return [run.metrics[name] for run in runs]

    rows = [
        ("test accuracy of `model.tflite`, mean of seeds 1, 2, 3", "99.60 %", "99.70 %", _percent(each("accuracy"))),
        ("seconds of `fit` ÷ those of `plain`'s ten epochs", "1.0", "0.7", _ratio(ratios)),
        ("expected calibration error, mean", "0.3 %", "0.15 %", _percent(each("ece"))),
        ("accuracy at 98 % coverage, mean", "99.9 %", "99.95 %", _percent(each("acc_at_98"))),
        ("images/s of `model.tflite`, one thread, ÷ `plain`'s", "0.5", "1", _ratio(speeds)),
        ("answers of `model.tflite` that are `model.keras`'s, mean", "99.9 %", "", _percent(each("keras_agreement"))),
        ("size of `model.tflite`", "150 kB", "", f"{max(len(run.model) for run in runs) / 1000:.0f} kB"),
    ]
    table = ["| what | bound | aim | measured |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    fits = {name: ", ".join(f"{run.seconds:.0f}" for run in of) for name, of in (("plain", plain), (default, runs))}
    words = (
        f"{os.cpu_count()} cores ({platform.machine()}), TensorFlow {version('tensorflow')}. Seconds of `fit`, seeds 1, 2, 3: "
        f"`plain` {fits['plain']}, `{default}` {fits[default]}. Accuracy of `plain`: "
        f"{_percent([run.metrics['accuracy'] for run in plain])}; of `model.keras` of `{default}`: "
        f"{_percent(each('keras_accuracy'))}."
    )
    replace_table("training", "\n".join([*table, "", words]))


def measure(architecture: str, seed: int) -> Run:
    """Run the stages ``train`` and ``evaluate`` into a temporary folder."""
    update = {"architecture": architecture, "seed": seed, "epochs": PLAIN_EPOCHS if architecture == "plain" else None}
    of_train = params.load(layout.PARAMS).train.model_copy(update=update)
    networks.import_keras()
    fit: Any = training.fit
    seconds: list[float] = []

    def timed(*arguments: Any) -> Any:
        started = time.perf_counter()
        fitted = fit(*arguments)
        seconds.append(time.perf_counter() - started)
        return fitted

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(training, "fit", timed):
        out, model, settings = Path(folder), Path(folder, "model"), params.load(layout.PARAMS)
        train.run(model, out / "curves.csv", own.NONE, of_train)
        evaluate.run(out, model, own.NONE, settings.evaluate, settings.score.minimum_confidence)
        content = (model / layout.SCORING_MODEL).read_bytes()
        return Run(json.loads((out / layout.METRICS).read_text(encoding="utf-8")), seconds[0], content)


def speed_ratios(model: bytes, other: bytes, images: np.ndarray) -> list[float]:
    """Score the same images with two models in turn, on one thread; give the ratios of their images a second."""
    classifiers = Classifier(model), Classifier(other)

    def seconds(classifier: Classifier) -> float:
        started = time.perf_counter()
        for start in range(0, len(images), IMAGES_A_CALL):
            classifier.logits(images[start : start + IMAGES_A_CALL])
        return time.perf_counter() - started

    pairs = [(seconds(classifiers[0]), seconds(classifiers[1])) for _ in range(REPEATS + 1)]
    return [two / one for one, two in pairs[1:]]  # the first pair warms up


def _percent(values: list[float]) -> str:
    return f"{mean(values):.2%} ({', '.join(f'{value:.2%}' for value in values)})"


def _ratio(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f} of {len(values)})"


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


if __name__ == "__main__":
    main()
