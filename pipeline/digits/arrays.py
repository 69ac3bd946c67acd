"""The arrays that travel between rooms, each with its shape."""

import numpy as np
import numpy.typing as npt

Gray = npt.NDArray[np.uint8]  # (h, w), a picture, a mask or a field
Images = npt.NDArray[np.uint8]  # (N, 28, 28), or (N, 28, 28, 1) as Keras wants them; 0 is paper, 255 is ink
Labels = npt.NDArray[np.uint8]  # (N,), each from 0 to 9
Floats = npt.NDArray[np.float32]  # (N, 10), logits, probabilities or targets; or (h, w), what a picture is measured by
Doubles = npt.NDArray[np.float64]  # (N,), what images are measured by; or (2,), a point (x, y) in pixels
