"""Stage ``evaluate``: read the test set with the model that will score, and in the way that it will score."""

import json
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import atomic, layout, params, stages
from pipeline.datasets import dataset, own
from pipeline.datasets.own import Own
from pipeline.digits.arrays import Floats, Images, Labels
from pipeline.digits.network import metrics, networks, slices
from pipeline.digits.network.model import Classifier, in_batches
from pipeline.digits.network.second_look import look_again
from pipeline.digits.pictures import normalising, trust
from pipeline.digits.pictures.files import decoding
from pipeline.errors import PipelineError
from pipeline.params import Evaluate


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    settings = params.load(layout.PARAMS)
    run(Path(), layout.MODEL, own.read(layout.OWN), settings.evaluate, settings.score.minimum_confidence)


def run(out: Path, model_folder: Path, scans: Own, settings: Evaluate, minimum_confidence: float) -> None:
    """Write, below ``out``, the metrics, those of the slices, the logits of every test image, and the data of the plots.

    ``scans``: own ones; those that the model was not trained on are a test set and a slice of their own, and of those that show
    no digit it is measured how many are doubted, where there are any.

    Raises PipelineError.
    """
    data = dataset.read(layout.ARRAYS)
    classifier, temperature = load(model_folder)
    fields = _fields(as_scanned(data.test_images, slices.plain, settings.seed))
    first_logits = in_batches(classifier, fields, settings.batch_size)
    logits = look_again(classifier, fields, first_logits, temperature)
    # Importing TensorFlow and asking the Keras model takes as long as all the rest.
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as other:
        asked = other.submit(answers_of_keras, model_folder / layout.KERAS_MODEL, fields, settings.batch_size)
        answers, confidence = metrics.answers_and_confidence(logits, temperature)
        by_class = metrics.by_class(data.test_labels, answers)
        chosen = np.sort(np.random.default_rng(settings.seed).permutation(len(data.test_labels))[: settings.slice_images])
        by_slice = measure_slices(
            *(data.test_images[chosen], data.test_labels[chosen], classifier, temperature, settings, minimum_confidence)
        )
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
        measured = measure_own(tests, classifier, temperature, settings.batch_size, minimum_confidence)
        summary |= {f"own_{name}": value for name, value in measured.items()}
        by_slice.loc[slices.OWN] = {"accuracy": measured["accuracy"], "review": 1 - measured["ok"]}
    if len((strange := scans.part(own.NO_DIGIT)).labels):
        _, _, is_ok = read_own(strange, classifier, temperature, settings.batch_size, minimum_confidence)
        summary |= {"own_no_digit_images": len(is_ok), "own_no_digit_doubted": 1 - is_ok.mean()}
    with atomic.replacing(out / layout.PLOTS) as temporary:
        temporary.mkdir()
        _write_csv(temporary / layout.CONFUSION, pd.DataFrame({"actual": data.test_labels, "predicted": answers}))
        _write_csv(temporary / layout.CLASSES, by_class)
        _write_csv(temporary / layout.RELIABILITY, metrics.reliability(confidence, answers == data.test_labels))
        _write_csv(temporary / layout.SLICES_TABLE, by_slice.reset_index(names="slice"))
    with atomic.replacing(out / layout.PREDICTIONS) as temporary:
        _write_csv(temporary, predictions(data.test_labels, logits))
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


def as_scanned(pictures: Images, change: slices.Slice, seed: int) -> list[normalising.Glyph]:
    """Make images files, decode these and normalise them, as scans are, so that a fault in that shows in the metrics.

    ``pictures``: (N, 28, 28, 1) uint8, light on black; ``change`` makes each a file.
    """
    random = np.random.default_rng(seed)
    files = (change(picture[..., 0], random) for picture in pictures)
    return [normalising.normalise(decoding.decode(content, maximum_pixels=slices.MAXIMUM_PIXELS)) for content in files]


def measure_slices(
    pictures: Images,
    labels: Labels,
    classifier: Classifier,
    temperature: float,
    settings: Evaluate,
    minimum_confidence: float,
) -> pd.DataFrame:
    """Read every slice of some test images as scoring does. A row for each slice, by its name: ``accuracy``, and ``review``.

    ``pictures``: (N, 28, 28, 1) uint8; ``labels``: (N,). ``review`` is the share of the images that a person has to look at;
    both are from 0 to 1. The same ``settings.seed`` gives the same files.
    """
    rows = {}
    for name, change in slices.SLICES.items():
        glyphs = as_scanned(pictures, change, settings.seed)
        fields = _fields(glyphs)
        logits = look_again(classifier, fields, in_batches(classifier, fields, settings.batch_size), temperature)
        answers, confidence = metrics.answers_and_confidence(logits, temperature)
        each = zip(glyphs, answers.tolist(), confidence.tolist(), strict=True)
        doubts = [bool(trust.doubt(glyph, digit, sure, minimum_confidence)) for glyph, digit, sure in each]
        rows[name] = {"accuracy": float((answers == labels).mean()), "review": float(np.mean(doubts))}
    return pd.DataFrame.from_dict(rows, orient="index")


def measure_own(
    scans: Own, classifier: Classifier, temperature: float, batch_size: int, minimum_confidence: float
) -> dict[str, Any]:
    """Sum up the answers to own scans: ``ok`` is the share that nobody has to look at, ``ok_right`` what of those is right."""
    logits, answers, is_ok = read_own(scans, classifier, temperature, batch_size, minimum_confidence)
    is_right = answers == scans.labels
    return {
        "test_set": scans.test_set,
        **summarise(scans.labels, logits, temperature),
        "ok": is_ok.mean(),
        "ok_right": is_right[is_ok].mean() if is_ok.any() else 1.0,
    }


def read_own(
    scans: Own, classifier: Classifier, temperature: float, batch_size: int, minimum_confidence: float
) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Read N own scans: logits (N, 10), answers (N,), and whether nobody has to look at them (N,)."""
    logits = look_again(classifier, scans.images, in_batches(classifier, scans.images, batch_size), temperature)
    answers, confidence = metrics.answers_and_confidence(logits, temperature)
    each = zip(answers.tolist(), confidence.tolist(), scans.is_odd.tolist(), scans.is_cut.tolist(), strict=True)
    is_ok = np.array(
        [not odd and not trust.doubt_of_answer(digit, sure, minimum_confidence, is_cut=cut) for digit, sure, odd, cut in each]
    )
    return logits, answers, is_ok


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


def _fields(glyphs: list[normalising.Glyph]) -> Images:
    return np.stack([glyph.field for glyph in glyphs])[..., np.newaxis]


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _rounded(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: round(float(value), 6) if isinstance(value, float) else value for name, value in summary.items()}


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")


if __name__ == "__main__":
    stages.run_as_process("evaluate", main)
