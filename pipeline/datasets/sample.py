"""A batch of pictures to score, cut from the test set."""

from pathlib import Path

import cv2

from pipeline import atomic
from pipeline.datasets import dataset
from pipeline.errors import PipelineError
from pipeline.names import shown


def cut(arrays: Path, folder: Path, *, count: int) -> int:
    """Write the first ``count`` test images as PNG files, dark on white as a scanner gives them, and give their number.

    Raises PipelineError.
    """
    if folder.exists():
        raise PipelineError(f"{shown(folder)}: exists already. Name another folder, or delete this one.")
    images = dataset.read(arrays).test_images[:count, :, :, 0]
    with atomic.replacing(folder) as temporary:
        temporary.mkdir()
        for index, image in enumerate(images):
            (temporary / f"{index:05d}.png").write_bytes(cv2.imencode(".png", 255 - image)[1].tobytes())
    return len(images)
