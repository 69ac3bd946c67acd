"""Stage ``evaluate``: read the test set with the model that will score, and in the way that it will score."""

import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import atomic, layout, params, stages
from pipeline.datasets import dataset, own
from pipeline.datasets.dataset import Dataset
from pipeline.datasets.own import Own
from pipeline.digits.arrays import Floats, Images, Labels
from pipeline.digits.network import metrics, networks, slices
from pipeline.digits.network.model import Classifier, in_batches
from pipeline.digits.network.second_look import look_again
from pipeline.errors import PipelineError
from pipeline.params import Evaluate
from pipeline.quality import profile, readings
from pipeline.quality.profile import Profile
from pipeline.quality.readings import Reader


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    settings = params.load(layout.PARAMS)
    run(Path(), layout.MODEL, own.read(layout.OWN), settings.evaluate, settings.score.minimum_confidence)


def run(out: Path, model_folder: Path, scans: Own, settings: Evaluate, minimum_confidence: float) -> None:
    """Write, below ``out``, metrics, those of the slices, logits of every test image, data of the plots, and the profile.

    ``scans``: own ones; those that the model was not trained on are a test set and a slice of their own, and of those that show
    no digit it is measured how many are doubted, where there are any.

    Raises PipelineError.
    """
    data = dataset.read(layout.ARRAYS)
    classifier, temperature = load(model_folder)
    reader = Reader(classifier, temperature, settings.batch_size, minimum_confidence)
    fields = readings.fields_of(readings.as_scanned(data.test_images, slices.plain, settings.seed))
    first_logits = in_batches(classifier, fields, settings.batch_size)
    logits = look_again(classifier, fields, first_logits, temperature)
    # Importing TensorFlow and asking the Keras model takes as long as all the rest.
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as other:
        asked = other.submit(answers_of_keras, model_folder / layout.KERAS_MODEL, fields, settings.batch_size)
        answers, confidence = metrics.answers_and_confidence(logits, temperature)
        by_class = metrics.by_class(data.test_labels, answers)
        chosen = np.sort(np.random.default_rng(settings.seed).permutation(len(data.test_labels))[: settings.slice_images])
        by_slice = measure_slices(data.test_images[chosen], data.test_labels[chosen], reader, settings.seed)
        try:
            keras_answers = asked.result()
        except BrokenProcessPool as error:
            raise PipelineError("the process that asks the Keras model was killed. Free some memory and run again.") from error
    summary = {
        "dataset": data.name,
        "test_set": data.test_set,
        **summarise(data.test_labels, logits, temperature),
        "min_recall": by_class["recall"].min(),
        "worst_slice": by_slice["accuracy"].idxmin(),
        "worst_accuracy": by_slice["accuracy"].min(),
        "model_bytes": (model_folder / layout.SCORING_MODEL).stat().st_size,
        "keras_accuracy": (keras_answers == data.test_labels).mean(),
        "keras_agreement": (keras_answers == first_logits.argmax(axis=1)).mean(),
    }
    if len((tests := scans.part(own.TEST)).labels):
        measured = measure_own(tests, reader)
        summary |= {f"own_{name}": value for name, value in measured.items()}
        by_slice.loc[slices.OWN] = {"accuracy": measured["accuracy"], "review": 1 - measured["ok"]}
    if len((strange := scans.part(own.NO_DIGIT)).labels):
        is_ok = reader.of_own(strange).is_ok
        summary |= {"own_no_digit_images": len(is_ok), "own_no_digit_doubted": 1 - is_ok.mean()}
    model_sha256 = hashlib.sha256((model_folder / layout.SCORING_MODEL).read_bytes()).hexdigest()
    usual = profile_of(data, scans, reader, model_sha256, settings.seed)
    with atomic.replacing(out / layout.PLOTS) as temporary:
        temporary.mkdir()
        _write_csv(temporary / layout.CONFUSION, pd.DataFrame({"actual": data.test_labels, "predicted": answers}))
        _write_csv(temporary / layout.CLASSES, by_class)
        _write_csv(temporary / layout.RELIABILITY, metrics.reliability(confidence, answers == data.test_labels))
        _write_csv(temporary / layout.SLICES_TABLE, by_slice.reset_index(names="slice"))
    with atomic.replacing(out / layout.PREDICTIONS) as temporary:
        _write_csv(temporary, predictions(data.test_labels, logits))
    with atomic.replacing(out / layout.PROFILE) as temporary:
        temporary.write_bytes(profile.to_bytes(usual))
    atomic.write_text(out / layout.SLICES, _json({str(name): _rounded(dict(row)) for name, row in by_slice.iterrows()}))
    atomic.write_text(out / layout.METRICS, _json(_rounded(summary)))


def load(model_folder: Path) -> tuple[Classifier, float]:
    """Load the scoring model and its temperature, 1 where its card names none.

    Raises PipelineError when a file is missing or broken.
    """
    try:
        card = json.loads((model_folder / layout.MODEL_CARD).read_text(encoding="utf-8"))
        return Classifier((model_folder / layout.SCORING_MODEL).read_bytes()), float(card.get("temperature", 1))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise PipelineError(f"{model_folder}: cannot be loaded: {reason}. Run `dvc repro train`.") from error


def measure_slices(pictures: Images, labels: Labels, reader: Reader, seed: int) -> pd.DataFrame:
    """Read every slice of some test images as scoring does. A row for each slice, by its name: ``accuracy``, and ``review``.

    ``pictures``: (N, 28, 28, 1) uint8; ``labels``: (N,). ``review`` is the share of the images that a person has to look at;
    both are from 0 to 1. The same ``seed`` gives the same files.
    """
    rows = {}
    for name, change in slices.SLICES.items():
        found = reader.of_images(pictures, change, seed)
        rows[name] = {"accuracy": float((found.answers == labels).mean()), "review": float(1 - found.is_ok.mean())}
    return pd.DataFrame.from_dict(rows, orient="index")


def measure_own(scans: Own, reader: Reader) -> dict[str, Any]:
    """Sum up the answers to own scans: ``ok`` is the share that nobody has to look at, ``ok_right`` what of those is right."""
    found = reader.of_own(scans)
    is_right, is_ok = found.answers == scans.labels, found.is_ok
    return {
        "test_set": scans.test_set,
        **summarise(scans.labels, found.logits, reader.temperature),
        "ok": is_ok.mean(),
        "ok_right": is_right[is_ok].mean() if is_ok.any() else 1.0,
    }


def profile_of(data: Dataset, scans: Own, reader: Reader, model_sha256: str, seed: int) -> Profile:
    """Say what is usual for a model: of validation images, read as scans are, and of own test scans where there are any."""
    found = {profile.VALIDATION: reader.of_images(data.validation_images, slices.plain, seed)}
    if len((tests := scans.part(own.TEST)).labels):
        found[profile.OWN] = reader.of_own(tests)
    samples = {
        name: profile.sample_of(one.traits, one.confidences, one.answers, one.doubts, reader.minimum_confidence)
        for name, one in found.items()
    }
    shares = np.bincount(data.train_labels, minlength=networks.CLASSES) / len(data.train_labels)
    return Profile(model_sha256, np.maximum(shares, 1 / len(data.train_labels)), samples, profile.tabulate())


def summarise(labels: Labels, logits: Floats, temperature: float) -> dict[str, Any]:
    """Sum up the answers to test images: accuracy with its 95 % interval, likelihood, calibration, coverage.

    ``labels``: (N,); ``logits``: (N, 10) float32. ``nll`` is in nats, ``ece`` and the rest from 0 to 1; ``acc_at_98`` is the
    accuracy on the 98 % of the images with the highest confidence.
    """
    answers, confidence = metrics.answers_and_confidence(logits, temperature)
    is_right = answers == labels
    low, high = metrics.interval(int(is_right.sum()), len(labels))
    return {
        "images": len(labels),
        "accuracy": is_right.mean(),
        "acc_low": low,
        "acc_high": high,
        "nll": metrics.negative_log_likelihood(logits, labels, temperature),
        "ece": metrics.expected_calibration_error(confidence, is_right),
        **{f"acc_at_{share}": metrics.accuracy_at_coverage(confidence, is_right, share / 100) for share in (99, 98, 95)},
    }


def predictions(labels: Labels, logits: Floats) -> pd.DataFrame:
    """Give a row for each test image, so that two models can be compared image by image.

    Columns: ``image`` (its index), ``actual``, then ``logit_0`` to ``logit_9``, before the temperature: those of the second
    look where it answers another digit.
    """
    table = pd.DataFrame(logits, columns=[f"logit_{digit}" for digit in range(networks.CLASSES)])
    table.insert(0, "image", range(len(labels)))
    table.insert(1, "actual", labels)
    return table


def answers_of_keras(model: Path, fields: Images, batch_size: int) -> Labels:
    """Give the Keras model's answers, which the scoring model's are compared with. ``fields``: (N, 28, 28, 1) uint8."""
    keras = networks.import_keras()
    predicted = keras.models.load_model(model).predict(fields.astype(np.float32), batch_size=batch_size, verbose=0)
    return np.asarray(predicted.argmax(axis=1), np.uint8)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _rounded(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: round(float(value), 6) if isinstance(value, float) else value for name, value in summary.items()}


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")


if __name__ == "__main__":
    stages.run_as_process("evaluate", main)
