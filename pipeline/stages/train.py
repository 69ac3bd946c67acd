"""Stage ``train``: fit a network to the training images and write it for Keras and for scoring."""

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from pipeline import atomic, layout, params, stages
from pipeline.datasets import dataset, own
from pipeline.datasets.dataset import Dataset
from pipeline.datasets.own import VALIDATION, Own
from pipeline.digits.arrays import Floats, Images, Labels
from pipeline.digits.network import metrics, networks
from pipeline.digits.network.learning import training
from pipeline.digits.network.model import Classifier, in_batches
from pipeline.errors import PipelineError
from pipeline.params import Train

# The temperature is fitted to an own scan so many times at most, since few say little: five that were made a tenth of all took
# the `ok` from one answer in eight.
MOST_TIMES = 10


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    run(layout.MODEL, layout.CURVES, own.read(layout.OWN), params.load(layout.PARAMS).train)


def run(model_folder: Path, curves_file: Path, scans: Own, settings: Train) -> None:
    """Write ``model.keras``, ``model.tflite`` and ``model.json`` into ``model_folder``, and the learning curves.

    Raises PipelineError.
    """
    data = dataset.read(layout.ARRAYS)
    weights = weights_of_champion() if settings.start == "champion" else None
    model, curves = training.fit(data, scans, settings, partial(stages.tell, training.EPOCH), weights)
    scoring_model = networks.to_litert(model, data.train_images)
    images, labels = validation_set(data, scans, settings.own_share)
    logits = in_batches(Classifier(scoring_model), images, training.VALIDATION_BATCH)
    card = {
        "architecture": settings.architecture,
        "dataset": data.name,
        "parameters": int(model.count_params()),
        "temperature": round(metrics.fit_temperature(logits, labels), 4),
    }
    with atomic.replacing(model_folder) as temporary:
        temporary.mkdir()
        keras_file = temporary / layout.KERAS_MODEL
        keras_file.write_bytes(networks.to_keras(model, str(keras_file)))
        (temporary / layout.SCORING_MODEL).write_bytes(scoring_model)
        atomic.write_text(temporary / layout.MODEL_CARD, json.dumps(card, indent=2) + "\n")
    atomic.write_text(curves_file, curves.to_csv(index=False, lineterminator="\n", float_format="%.6g"))


def validation_set(data: Dataset, scans: Own, own_share: float) -> tuple[Images, Labels]:
    """Give images and labels that no weights were fitted to, ``own_share`` of them own scans, or less where there are few."""
    others = data.validation_images, data.validation_labels
    own_ones = scans.part(VALIDATION).as_share(own_share, len(data.validation_labels), MOST_TIMES)
    return np.concatenate([others[0], own_ones[0]]), np.concatenate([others[1], own_ones[1]])


def weights_of_champion() -> list[Floats]:
    """Give the weights of the champion, as the registry vouches for it. Raises PipelineError where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder, layout.KERAS_MODEL))
        command = [sys.executable, "-m", "pipeline.registry.champion", place]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = " ".join(done.stderr.split()).removeprefix("error: ")
            raise PipelineError(f"train.start is champion, but there is none to begin with: {reason} Or set it to fresh.")
        keras = networks.import_keras()
        return list(keras.models.load_model(place).get_weights())


if __name__ == "__main__":
    stages.run_as_process("train", main)
