"""A batch of pictures to score, cut from the test set."""

from pathlib import Path

import cv2

from pipeline import atomic
from pipeline.datasets import dataset
from pipeline.errors import PipelineError
from pipeline.names import shown


def cut(arrays: Path, folder: Path, *, count: int) -> int:
    """Write the first ``count`` test images as PNG files, dark on white as a scanner gives them, and give their number.

    A folder that is there may hold nothing but such pictures. Raises PipelineError.
    """
    images = dataset.read(arrays).test_images[:count, :, :, 0]
    pictures = {f"{index:05d}.png": cv2.imencode(".png", 255 - image)[1].tobytes() for index, image in enumerate(images)}
    there = list(folder.iterdir()) if folder.is_dir() else [folder] if folder.exists() else []
    if not all(place.name in pictures and place.is_file() and place.read_bytes() == pictures[place.name] for place in there):
        raise PipelineError(f"{shown(folder)}: holds something else. Name another folder, or delete this one.")
    if len(there) < len(pictures):
        with atomic.replacing(folder) as temporary:
            temporary.mkdir()
            for name, content in pictures.items():
                (temporary / name).write_bytes(content)
    return len(images)
