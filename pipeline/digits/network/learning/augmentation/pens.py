"""The same digit by another pen or scanner: broader, finer, blurred, faint or hard strokes, specks, lines and gaps."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.digits.arrays import Gray, Images
from pipeline.digits.field import FIELD
from pipeline.digits.network.learning.augmentation.stacking import stacked
from pipeline.params.recipes import Pens

Indices = npt.NDArray[np.intp]
Random = np.random.Generator

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def pens(images: Images, random: Random, shares: Pens, strength: float = 1.0) -> Images:
    """Change the strokes of some of the images, (N, 28, 28) uint8; so is the result. ``strength`` scales all shares."""
    drawn = images.copy()

    def some(share: float) -> Indices:
        return np.flatnonzero(random.random(len(drawn)) < share * strength)

    thickened = some(shares.thicken)
    _blend(drawn, thickened, lambda tall: cv2.dilate(tall, CROSS), (0.2, 1), random)
    _blend(drawn, np.setdiff1d(some(shares.thin), thickened), lambda tall: cv2.erode(tall, CROSS), (0.2, 0.9), random)
    _blend(drawn, some(shares.blur), lambda tall: cv2.GaussianBlur(tall, (5, 5), 1), (0.2, 1), random)
    _fade(drawn, some(shares.fade), random)
    _harden(drawn, some(shares.harden), random)
    for draw, share in ((_specks, shares.specks), (_line, shares.lines), (_gap, shares.gaps)):
        for index in some(share):
            draw(drawn[index], random)
    return drawn


def _blend(
    images: Images, chosen: Indices, operation: Callable[[Images], Images], amount: tuple[float, float], random: Random
) -> None:
    """Mix the chosen images with what an operation makes of them, each by its own amount."""
    before = images[chosen].astype(np.float32)
    after = stacked(images[chosen], lambda tall, _: operation(tall))
    images[chosen] = before + (after - before) * random.uniform(*amount, (len(chosen), 1, 1)).astype(np.float32)


def _fade(images: Images, chosen: Indices, random: Random) -> None:
    images[chosen] = images[chosen] * random.uniform(0.5, 1, (len(chosen), 1, 1))


def _harden(images: Images, chosen: Indices, random: Random) -> None:
    """Raise the contrast about a quarter of full ink, as a scanner set to black and white does."""
    contrast = random.uniform(1.2, 3, (len(chosen), 1, 1))
    images[chosen] = np.clip(images[chosen] * contrast - (contrast - 1) * 64, 0, 255)


def _specks(image: Gray, random: Random) -> None:
    for _ in range(2):
        (top, left), (height, width) = random.integers(0, FIELD - 1, 2), random.integers(1, 3, 2)
        spot = image[top : top + height, left : left + width]
        np.maximum(spot, np.uint8(random.integers(80, 256)), out=spot)


def _line(image: Gray, random: Random) -> None:
    """Leave a piece of a ruled line or of a frame along one side."""
    away, thickness = int(random.integers(1, 6)), int(random.integers(1, 3))
    start, end = sorted(random.integers(0, FIELD, 2))
    edge = away if random.random() < 0.5 else FIELD - 1 - away
    piece = (image if random.random() < 0.5 else image.T)[edge : edge + thickness, start:end]
    np.maximum(piece, np.uint8(random.integers(100, 256)), out=piece)


def _gap(image: Gray, random: Random) -> None:
    """Break the strokes along a thin line, as a dry pen or a threshold does."""
    angle, half, middle = random.uniform(0, np.pi), random.uniform(3, 8), random.uniform(6, 22, 2)
    reach = np.array([np.cos(angle), np.sin(angle)]) * half
    start, end = ((middle + side * reach).astype(int).tolist() for side in (-1, 1))
    cv2.line(image, start, end, 0, 1, cv2.LINE_AA)
