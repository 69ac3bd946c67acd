"""Stage ``evaluate``: run the model that will score over the test set, exactly as it will be served."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import atomic, dataset, layout
from pipeline.digits import network
from pipeline.digits.model import Classifier, in_batches, probabilities
from pipeline.errors import PipelineError

CONFUSION = "confusion.csv"
CLASSES = "classes.csv"


def run(arrays: Path, model_folder: Path, metrics_file: Path, plots: Path, *, batch_size: int) -> None:
    """Write the metrics and the data of the plots. Raises PipelineError."""
    data = dataset.read(arrays)
    logits = in_batches(load(model_folder / layout.SCORING_MODEL), data.test_images, batch_size)
    by_class = class_metrics(data.test_labels, logits.argmax(axis=1))
    keras_answers = answers_of_keras(model_folder / layout.KERAS_MODEL, data.test_images, batch_size)
    metrics = {
        "dataset": data.name,
        "test_set": data.test_set,
        **summary(data.test_labels, logits, keras_answers),
        "recall": dict(zip(by_class["digit"].astype(str), by_class["recall"].round(6), strict=True)),
        "precision": dict(zip(by_class["digit"].astype(str), by_class["precision"].round(6), strict=True)),
    }
    with atomic.replacing(plots) as temporary:
        temporary.mkdir()
        pairs = pd.DataFrame({"actual": data.test_labels, "predicted": logits.argmax(axis=1)})
        pairs.to_csv(temporary / CONFUSION, index=False, lineterminator="\n")
        by_class.to_csv(temporary / CLASSES, index=False, lineterminator="\n", float_format="%.6f")
    atomic.write_text(metrics_file, json.dumps(metrics, indent=2) + "\n")


def load(model: Path) -> Classifier:
    """Load a LiteRT file. Raises PipelineError when it is missing or is none."""
    try:
        return Classifier(model.read_bytes())
    except (OSError, ValueError) as error:
        raise PipelineError(f"{model}: cannot be loaded: {' '.join(str(error).split())}. Run `dvc repro train`.") from error


def summary(
    labels: npt.NDArray[np.uint8], logits: npt.NDArray[np.float32], keras_answers: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Sum up the test: images, accuracy, loss (mean negative log-likelihood, nats), and agreement with Keras's answers.

    ``labels``: (N,); ``logits``: (N, 10) float32; ``keras_answers``: (N,), digits.
    """
    answers = logits.argmax(axis=1)
    likelihood = probabilities(logits)[np.arange(len(labels)), labels]
    return {
        "images": len(labels),
        "accuracy": round(float((answers == labels).mean()), 6),
        "loss": round(float(-np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean()), 6),
        "keras_accuracy": round(float((keras_answers == labels).mean()), 6),
        "keras_agreement": round(float((keras_answers == answers).mean()), 6),
    }


def class_metrics(labels: npt.NDArray[np.uint8], answers: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Give precision and recall of each digit, 0 where a digit was never answered: columns digit, precision, recall."""
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, _, _ = precision_recall_fscore_support(labels, answers, labels=range(10), zero_division=0)
    return pd.DataFrame({"digit": range(10), "precision": precision, "recall": recall})


def answers_of_keras(model: Path, images: npt.NDArray[np.uint8], batch_size: int) -> npt.NDArray[np.int64]:
    """Give the digits that the Keras model answers: the scoring model is held to them. ``images``: (N, 28, 28, 1) uint8."""
    keras = network.import_keras()
    predicted = keras.models.load_model(model).predict(images.astype(np.float32), batch_size=batch_size, verbose=0)
    return np.asarray(predicted.argmax(axis=1), np.int64)
