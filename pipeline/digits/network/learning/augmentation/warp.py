"""The same digit by another hand: turned, slanted, scaled, shifted and bent."""

import cv2
import numpy as np

from pipeline.digits.arrays import Floats, Images
from pipeline.digits.field import FIELD
from pipeline.digits.network.learning.augmentation.stacking import PAD, pad_rows, stacked
from pipeline.params.recipes import Warp

MIDDLE = (FIELD - 1) / 2
OUTSIDE = -9
_AXIS = np.arange(FIELD, dtype=np.float32)
# Slow waves over the field: enough to bend a stroke, too slow to break it.
_WAVES = [
    np.outer(np.cos(np.pi * i * (_AXIS + 0.5) / FIELD), np.cos(np.pi * j * (_AXIS + 0.5) / FIELD))
    for i in range(5)
    for j in range(5)
    if 1 < i + j <= 5
]
_PLANE = [np.ones((FIELD, FIELD)), *np.meshgrid(_AXIS - MIDDLE, _AXIS - MIDDLE)]
BASIS = np.stack([*_PLANE, *_WAVES]).reshape(len(_PLANE) + len(_WAVES), -1).astype(np.float32)


def warp(images: Images, random: np.random.Generator, most: Warp, strength: float = 1.0) -> Images:
    """Move the ink of each image by a random affine map and a few slow waves.

    ``images``: (N, 28, 28) uint8; so is the result. ``strength`` scales all that ``most`` allows. Every map is one row of
    random weights times a fixed basis, so that all are one matrix product.
    """
    count = len(images)
    across, down = (np.zeros((count, len(BASIS)), np.float32) for _ in "xy")

    def up_to(limit: float) -> Floats:
        return random.uniform(-limit, limit, count).astype(np.float32) * np.float32(strength)

    angle, sheared = up_to(np.deg2rad(most.rotation_degrees)), up_to(most.slant)
    size, width = np.exp(up_to(most.scale)), np.exp(up_to(most.aspect))
    bend = random.random((count, 1)) * most.bend_pixels * strength
    across[:, 0], down[:, 0] = MIDDLE + up_to(most.shift_pixels), MIDDLE + up_to(most.shift_pixels)
    across[:, 1], across[:, 2] = np.cos(angle) * size * width, (sheared - np.sin(angle)) * size * width
    down[:, 1], down[:, 2] = np.sin(angle) * size / width, np.cos(angle) * size / width
    for weights in (across, down):
        weights[:, len(_PLANE) :] = random.standard_normal((count, len(_WAVES))) * bend
    return _remap(images, across @ BASIS, down @ BASIS)


def _remap(images: Images, columns: Floats, rows: Floats) -> Images:
    """Fetch each pixel from its column and row, (N, 784) float32; what lies outside an image is paper."""
    columns = columns.reshape(images.shape)
    # Never so far that a row of the next image in the stack would be fetched.
    rows = np.clip(rows.reshape(images.shape), -2, FIELD + 1)

    def fetch(tall: Images, first: int) -> Images:
        chosen = slice(first, first + len(tall) // (FIELD + 2 * PAD))
        starts = np.arange(len(rows[chosen]), dtype=np.float32)[:, None, None] * (FIELD + 2 * PAD) + PAD
        x, y = (pad_rows(part, OUTSIDE).reshape(-1, FIELD) for part in (columns[chosen], rows[chosen] + starts))
        return np.asarray(cv2.remap(tall, x, y, cv2.INTER_LINEAR), np.uint8)

    return stacked(images, fetch)
