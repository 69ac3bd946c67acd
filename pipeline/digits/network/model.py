"""Reading digits with a LiteRT model: no TensorFlow, ready in milliseconds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from pipeline.digits.arrays import Floats, Images


class Classifier:
    """An int8 LiteRT model held in memory."""

    def __init__(self, content: bytes) -> None:
        """Load the bytes of a ``model.tflite``. Raises ValueError when they are not one."""
        from ai_edge_litert.interpreter import Interpreter

        with quiet():
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._allocated = 1

    def logits(self, images: Images) -> Floats:
        """Score images. ``images``: (N, 28, 28, 1) uint8, 0 for paper and 255 for ink. Returns (N, 10) float32."""
        if not len(images):
            return np.empty((0, 10), np.float32)
        if len(images) != self._allocated:
            self._interpreter.resize_tensor_input(self._input, images.shape)
            self._interpreter.allocate_tensors()
            self._allocated = len(images)
        self._interpreter.set_tensor(self._input, images.astype(np.float32))
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)


def in_batches(classifier: Classifier, images: Images, batch_size: int) -> Floats:
    """Score any number of images, ``batch_size`` at a time. Shapes and types as ``Classifier.logits``."""
    parts = [classifier.logits(images[start : start + batch_size]) for start in range(0, len(images), batch_size)]
    return np.concatenate(parts) if parts else classifier.logits(images)


def probabilities(logits: Floats, temperature: float = 1.0) -> Floats:
    """Apply the temperature, then the softmax: (N, 10) logits to (N, 10) float32 that sum to 1."""
    scaled = logits / temperature
    shifted = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what the process writes to standard error in the block.

    Native libraries report their start-up there, whatever they are told.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
