"""The networks that can be trained, and their files: Keras for people, int8 LiteRT for scoring."""

import io
import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.digits.network.model import quiet
from pipeline.imports import faster

CLASSES = 10
WIDTH = 32
CALIBRATION_IMAGES = 500
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def import_keras() -> Any:
    """Import Keras and TensorFlow, which takes seconds, without the pages of messages that they print.

    Keras gets its own defaults: a person's ``keras.json`` and environment, which are for other projects, must not change or
    break the weights of this one.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in [name for name in os.environ if name.startswith("KERAS_")]:
        del os.environ[name]
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with tempfile.TemporaryDirectory() as home, quiet(), faster("sklearn"):
        os.environ["KERAS_HOME"] = home
        import keras
        import tensorflow as tf  # noqa: F401 - its kernels load here, under quiet
    return keras


def build(architecture: str) -> Any:
    """Build an untrained keras.Model: (N, 28, 28, 1) from 0 to 255 in, (N, 10) probabilities out.

    Layers of Keras alone, so that ``keras.models.load_model`` opens it anywhere; the last two are named ``logits`` and
    ``probabilities``.
    """
    return {"compact": _compact, "plain": _plain}[architecture]()


def up_to_logits(model: Any) -> Any:
    """Give the keras.Model, of the same weights, that ends before the softmax: (N, 10) logits out."""
    import keras

    return keras.Model(model.inputs, model.get_layer("logits").output)


def in_blocks(model: Any) -> Any:
    """Give a keras.Model with the same answers whose first convolution, of strides of two, works on blocks of 2x2 pixels.

    LiteRT computes eight channels at a time: one channel costs as much as the four of a block, and there are fewer blocks than
    pixels. The layers before the convolution must treat every pixel alike. A model without such a convolution stays as it is.
    """
    from keras import Sequential, layers, models

    first = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))
    if first.strides != (2, 2):
        return model
    height, width = (length // 2 for length in model.inputs[0].shape[1:3])
    rows, columns = (-(-length // 2) for length in first.kernel_size)
    # The rescaling comes first, because the converter merges it into the convolution behind it.
    blocks = [layers.Reshape((height, 2, width, 2)), layers.Permute((1, 3, 2, 4)), layers.Reshape((height, width, 4))]

    def clone(layer: Any) -> Any:
        if layer is first:
            return layers.Conv2D(layer.filters, (rows, columns), use_bias=layer.use_bias, name=layer.name)
        copy = type(layer).from_config(layer.get_config())
        return Sequential([*blocks, copy]) if layer is model.layers[1] else copy

    clones = models.clone_model(model, clone_function=clone)
    kernel, *others = model.get_weights()
    kernel = np.pad(kernel, [(0, 2 * rows - len(kernel)), (0, 2 * columns - len(kernel[0])), (0, 0), (0, 0)])
    kernel = kernel.reshape(rows, 2, columns, 2, -1).swapaxes(1, 2).reshape(rows, columns, 4, -1)
    clones.set_weights([kernel, *others])
    return clones


def _compact() -> Any:
    """Halve the image at once: convolutions at its full size cost the most, and MNIST's strokes are three pixels wide."""
    from keras import Input, Sequential, layers

    def convolution(filters: int, size: int, stride: int = 1, padding: str = "valid") -> list[Any]:
        return [
            layers.Conv2D(filters, size, stride, padding, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
        ]

    return Sequential(
        [
            Input((28, 28, 1)),
            layers.Rescaling(1 / 127.5, -1),
            *convolution(WIDTH, 5, stride=2),
            *convolution(WIDTH, 3),
            layers.MaxPooling2D(),
            *convolution(2 * WIDTH, 3, padding="same"),
            *convolution(2 * WIDTH, 3),
            *convolution(3 * WIDTH, 3),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(CLASSES, name="logits"),
            layers.Softmax(name="probabilities"),
        ],
        name="compact",
    )


def _plain() -> Any:
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(28, 3),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(CLASSES, name="logits"),
            layers.Softmax(name="probabilities"),
        ],
        name="plain",
    )


def to_keras(model: Any, path: str) -> bytes:
    """Save a keras.Model through ``path`` (ending in .keras) and give the file's canonical bytes: equal weights, equal bytes.

    The state of the optimizer, two thirds of a file, is left out.
    """
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    bare.save(path)
    canonical = io.BytesIO()
    with zipfile.ZipFile(path) as saved, zipfile.ZipFile(canonical, "w") as archive:
        for name in sorted(saved.namelist()):
            archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), _without_identity(name, saved.read(name)))
    return canonical.getvalue()


def to_litert(model: Any, images: npt.NDArray[np.uint8]) -> bytes:
    """Convert a keras.Model to an int8 LiteRT model that ends before the softmax: (N, 28, 28, 1) float32 in, logits out.

    ``images``: (N, 28, 28, 1) uint8, of the training split; the ranges of the activations are measured on the first 500.
    If there is one dense layer, it stays in float: int8 logits have 256 values, too few to tell how sure the network is.
    """
    import keras
    import tensorflow as tf

    def samples() -> Iterator[list[npt.NDArray[np.float32]]]:
        for image in images[:CALIBRATION_IMAGES]:
            yield [image[np.newaxis].astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(in_blocks(up_to_logits(model)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    dense = sum(isinstance(layer, keras.layers.Dense) for layer in model.layers)
    # The converter can exclude a kind of operation, but no single layer: a large hidden layer of this kind would stay in float.
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=["FULLY_CONNECTED"] if dense == 1 else [])
    with quiet(), redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        debugger = tf.lite.experimental.QuantizationDebugger(converter=converter, debug_dataset=samples, debug_options=options)
        return bytes(debugger.get_nondebug_quantized_model())


def _without_identity(name: str, content: bytes) -> bytes:
    """Take out what differs between two saves of one model: the date, and the addresses of objects in memory."""
    if name not in ("config.json", "metadata.json"):
        return content
    document = json.loads(content)
    document.pop("date_saved", None)
    _renumber(document, {})
    return json.dumps(document, sort_keys=True).encode()


def _renumber(node: Any, numbers: dict[int, int]) -> None:
    if isinstance(node, dict) and "shared_object_id" in node:
        node["shared_object_id"] = numbers.setdefault(node["shared_object_id"], len(numbers))
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _renumber(child, numbers)
