"""Stage ``train``: fit a network to the training images and write it for Keras and for scoring."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import atomic, dataset, layout
from pipeline.digits import network
from pipeline.errors import PipelineError
from pipeline.params import Recipe


def run(arrays: Path, model_folder: Path, *, architecture: str, seed: int, recipe: Recipe) -> None:
    """Write ``model.keras``, ``model.tflite`` and ``model.json`` into ``model_folder``. Raises PipelineError."""
    data = dataset.read(arrays)
    model = fit(data, architecture, seed, recipe)
    card = {"architecture": architecture, "dataset": data.name, "parameters": int(model.count_params())}
    with atomic.replacing(model_folder) as temporary:
        temporary.mkdir()
        keras_file = temporary / layout.KERAS_MODEL
        keras_file.write_bytes(network.to_keras(model, str(keras_file)))
        (temporary / layout.SCORING_MODEL).write_bytes(network.to_litert(model, data.train_images))
        atomic.write_text(temporary / layout.MODEL_CARD, json.dumps(card, indent=2) + "\n")


def fit(data: dataset.Dataset, architecture: str, seed: int, recipe: Recipe) -> Any:
    """Train a keras.Model: the same data, recipe and seed give the same weights on the same machine.

    Raises PipelineError when the loss stops being a number.
    """
    keras = network.import_keras()
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    model = network.build(architecture)
    model.compile(optimizer=keras.optimizers.Adam(recipe.learning_rate), loss=recipe.loss, metrics=["accuracy"])
    history = model.fit(
        data.train_images.astype(np.float32),
        data.train_labels,
        validation_data=(data.validation_images.astype(np.float32), data.validation_labels),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        callbacks=[keras.callbacks.TerminateOnNaN()],
        verbose=2,
    )
    if not np.isfinite(history.history["loss"]).all():
        raise PipelineError(
            f"the loss of epoch {len(history.epoch)} is not a number: no model was written. Lower "
            f"train.{architecture}.learning_rate in params.yaml and run again."
        )
    return model
