"""Stage ``train``: fit a network to the training images and write it for Keras and for scoring."""

import json
from functools import partial
from pathlib import Path

from pipeline import atomic, layout, params, stages
from pipeline.datasets import dataset
from pipeline.digits.network import metrics, networks
from pipeline.digits.network.learning import training
from pipeline.digits.network.model import Classifier, in_batches
from pipeline.params import Recipe


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    settings = params.load(layout.PARAMS).train
    run(layout.MODEL, layout.CURVES, settings.architecture, settings.seed, training.chosen_recipe(settings))


def run(model_folder: Path, curves_file: Path, architecture: str, seed: int, recipe: Recipe) -> None:
    """Write ``model.keras``, ``model.tflite`` and ``model.json`` into ``model_folder``, and the learning curves.

    Raises PipelineError.
    """
    data = dataset.read(layout.ARRAYS)
    model, curves = training.fit(data, architecture, seed, recipe, partial(stages.tell, training.EPOCH))
    scoring_model = networks.to_litert(model, data.train_images)
    logits = in_batches(Classifier(scoring_model), data.validation_images, training.VALIDATION_BATCH)
    card = {
        "architecture": architecture,
        "dataset": data.name,
        "parameters": int(model.count_params()),
        "temperature": round(metrics.fit_temperature(logits, data.validation_labels), 4),
    }
    with atomic.replacing(model_folder) as temporary:
        temporary.mkdir()
        keras_file = temporary / layout.KERAS_MODEL
        keras_file.write_bytes(networks.to_keras(model, str(keras_file)))
        (temporary / layout.SCORING_MODEL).write_bytes(scoring_model)
        atomic.write_text(temporary / layout.MODEL_CARD, json.dumps(card, indent=2) + "\n")
    atomic.write_text(curves_file, curves.to_csv(index=False, lineterminator="\n", float_format="%.6g"))


if __name__ == "__main__":
    stages.run_as_process("train", main)
