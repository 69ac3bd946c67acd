"""Fitting a network to the training images by its recipe."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.datasets.dataset import Dataset
from pipeline.datasets.own import TRAIN, Own
from pipeline.digits.arrays import Floats, Images
from pipeline.digits.network import networks
from pipeline.digits.network.learning.allocator import keep_freed_memory
from pipeline.digits.network.learning.augmentation.epochs import draw_epochs
from pipeline.errors import PipelineError
from pipeline.params import Train
from pipeline.params.recipes import CompactRecipe, PlainRecipe, Recipe

# Returning to Python after every step would cost a twentieth of the time, with small batches a fifth.
STEPS_A_CALL = 20
VALIDATION_BATCH = 1024
FIRST_RATE = 0.05
LAST_RATE = 0.002
CURVES = {"loss": "loss", "accuracy": "accuracy", "val_loss": "validation_loss", "val_accuracy": "validation_accuracy"}


# What is told of each epoch: losses in nats, accuracy from 0 to 1.
EPOCH = (
    "epoch {done} of {total}: loss {loss:.4f}, validation loss {validation_loss:.4f}, validation accuracy "
    "{validation_accuracy:.4f}, rate {rate:.5f}, {seconds:.1f} s, {seconds_left:.0f} s left"
)
Tell = Callable[[dict[str, float]], None]


def chosen_recipe(settings: Train) -> Recipe:
    """Give the recipe of the chosen architecture, with ``train.epochs`` in place of its own where that is set."""
    recipe: Recipe = getattr(settings, settings.architecture)
    return recipe if settings.epochs is None else recipe.model_copy(update={"epochs": settings.epochs})


def fit(
    data: Dataset, own: Own, settings: Train, tell: Tell, weights: Sequence[Floats] | None = None
) -> tuple[Any, pd.DataFrame]:
    """Train a keras.Model, and tell of each epoch: the same data, settings and weights give the same on one machine.

    Of what is shown, ``settings.own_share`` is own scans, if there are any. ``weights``: those of the model that it begins as;
    None to begin from the seed. Gives the model and its learning curves, a row for each epoch: ``epoch``, from 1,
    ``loss`` and ``accuracy`` on what it was shown, ``validation_loss``, ``validation_accuracy`` on the validation images.
    Raises PipelineError when the loss stops being a number, or the weights are another network's.
    """
    keras = networks.import_keras()
    import tensorflow as tf

    keep_freed_memory()
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    model, recipe = networks.build(settings.architecture), chosen_recipe(settings)
    if weights:
        _begin_with(model, weights, settings.architecture)
    progress = _progress(settings.architecture, recipe.epochs, tell)
    scans = own.part(TRAIN)
    if isinstance(recipe, PlainRecipe):
        history = _fit_plain(model, data, scans, settings.own_share, recipe, progress)
    else:
        history = _fit_compact(model, data, scans, settings, recipe, progress)
    curves = pd.DataFrame(history.history)[list(CURVES)].rename(columns=CURVES)
    curves.insert(0, "epoch", range(1, len(curves) + 1))
    return model, curves


def _begin_with(model: Any, weights: Sequence[Floats], architecture: str) -> None:
    try:
        model.set_weights(weights)
    except ValueError as error:
        raise PipelineError(
            f"the champion is no {architecture}: its weights do not fit. Set train.start to fresh in params.yaml, or "
            f"train.architecture to the champion's, and run again."
        ) from error


def _fit_plain(model: Any, data: Dataset, own: Own, own_share: float, recipe: PlainRecipe, progress: Any) -> Any:
    import keras

    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        loss=recipe.loss,
        metrics=["accuracy"],
        steps_per_execution=STEPS_A_CALL,
    )
    own_images, own_labels = own.as_share(own_share, len(data.train_labels))
    return model.fit(
        np.concatenate([data.train_images, own_images]).astype(np.float32),
        np.concatenate([data.train_labels, own_labels]),
        validation_data=(data.validation_images.astype(np.float32), data.validation_labels),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        callbacks=[progress],
        verbose=0,
    )


def _fit_compact(model: Any, data: Dataset, own: Own, settings: Train, recipe: CompactRecipe, progress: Any) -> Any:
    """Fit by Muon over one cycle (Smith and Topin, 2018): the rate rises in a line, then falls along a cosine."""
    import keras

    from pipeline.digits.network.learning.muon import Muon

    steps = steps_an_epoch(len(data.train_images), recipe)
    rising = round(steps * recipe.epochs * recipe.warmup_share)
    rate = keras.optimizers.schedules.CosineDecay(
        FIRST_RATE * recipe.peak_learning_rate,
        decay_steps=steps * recipe.epochs - rising,
        alpha=LAST_RATE,
        warmup_target=recipe.peak_learning_rate,
        warmup_steps=rising,
    )
    optimizer = Muon(
        rate,
        weight_decay=recipe.weight_decay,
        # The running mean of the weights is what Keras leaves in the model at the end of `fit`.
        use_ema=True,
        ema_momentum=recipe.average_momentum,
    )
    # The loss is computed from logits, because Keras cuts off small probabilities.
    trainee = networks.up_to_logits(model)
    # An optimizer that makes its variables in the first step makes TensorFlow trace that step twice.
    optimizer.build(trainee.trainable_variables)
    trainee.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        steps_per_execution=STEPS_A_CALL,
    )
    return trainee.fit(
        _batches(data, own, steps, settings, recipe),
        validation_data=(data.validation_images, np.eye(networks.CLASSES, dtype=np.float32)[data.validation_labels]),
        validation_batch_size=VALIDATION_BATCH,
        shuffle=False,
        steps_per_epoch=steps,
        epochs=recipe.epochs,
        callbacks=[progress],
        verbose=0,
    )


def steps_an_epoch(images: int, recipe: CompactRecipe) -> int:
    """Give the steps of an epoch that shows every digit at least once; more where ``minimum_steps`` asks for more."""
    steps = images / (1 - recipe.augmentation.outlier_share) / recipe.batch_size
    return int(-(-max(steps, recipe.minimum_steps) // STEPS_A_CALL) * STEPS_A_CALL)


def _batches(data: Dataset, own: Own, steps: int, settings: Train, recipe: CompactRecipe) -> Any:
    """Give a tf.data.Dataset of the batches of all epochs; one epoch is drawn while the one before it is learned."""
    import cv2
    import tensorflow as tf

    cv2.setNumThreads(1)  # the cores are busy learning
    size, smoothing = steps * recipe.batch_size, recipe.label_smoothing

    def epochs() -> Iterator[tuple[Images, Floats]]:
        drawn = draw_epochs(
            data.train_images[..., 0],
            data.train_labels,
            recipe.augmentation,
            size=size,
            epochs=recipe.epochs,
            seed=settings.seed,
            own=(own.images[..., 0], own.labels),
            own_share=settings.own_share,
        )
        for pictures, targets in drawn:
            yield pictures[..., np.newaxis], targets * (1 - smoothing) + np.float32(smoothing / networks.CLASSES)

    signature = tf.TensorSpec((size, 28, 28, 1), tf.uint8), tf.TensorSpec((size, networks.CLASSES), tf.float32)
    drawn = tf.data.Dataset.from_generator(epochs, output_signature=signature).prefetch(1)
    # Batches are views of an epoch: slicing image by image would cost a tenth of the time of training.
    batches = drawn.flat_map(
        lambda images, targets: tf.data.Dataset.from_tensor_slices(
            (tf.reshape(images, (steps, -1, 28, 28, 1)), tf.reshape(targets, (steps, -1, networks.CLASSES)))
        )
    )
    options = tf.data.Options()
    # There is nothing to tune, and the end of `fit` would wait up to a minute for the thread that tunes.
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)


def _progress(architecture: str, epochs: int, tell: Tell) -> Any:
    """Make a Keras callback that tells of each epoch, and raises PipelineError for a loss that is no number."""
    import keras

    started = epoch_started = time.monotonic()

    def begin(_: int, __: Any) -> None:
        nonlocal epoch_started
        epoch_started = time.monotonic()

    def check(_: int, logs: dict[str, float]) -> None:
        if not np.isfinite(logs["loss"]):
            raise PipelineError(
                f"the loss is not a number: no model was written. Lower the learning rate of train.{architecture} in "
                f"params.yaml and run again."
            )

    def end(epoch: int, logs: dict[str, float]) -> None:
        now, done = time.monotonic(), epoch + 1
        measured = {CURVES[name]: value for name, value in logs.items() if name in CURVES}
        timed = {"seconds": now - epoch_started, "seconds_left": (now - started) / done * (epochs - done)}
        rate = float(callback.model.optimizer.learning_rate)
        tell({"done": done, "total": epochs, **measured, "rate": rate, **timed})

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end, on_train_batch_end=check)
    return callback
