"""Paper and pen in a photo: light falls off, shadows and edges of the page cut in, the pen is thin or faint."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.digits.arrays import Floats, Gray
from pipeline.digits.pictures.scan.shapes import SQUARE, Picture, quantile, shrink

PEN = 0.16
FINE = 64
FAINTEST = 3 * FINE
IN_DOUBT_DARK = 0.75


@dataclass(frozen=True)
class PenInk:
    """What stands out of the paper of a photo, all (h, w).

    ``ink``: uint8; ``soft``: the same of the blurred picture; ``strength``: float32, the same as a multiple of the noise;
    ``beyond``: float32, how far each pixel is below the lightest paper near it, as a multiple of the noise.
    """

    ink: Gray
    soft: Gray
    strength: Floats
    beyond: Floats


def is_dark_pen(picture: Gray) -> bool:
    """Tell whether the pen is darker than the paper: it is what lies along sharp edges.

    A stroke has sharp edges on both sides, light paper in a loop on one side, a dome of light on none.
    """
    quiet = cv2.blur(shrink(picture, 112), (3, 3))
    edges = cv2.morphologyEx(quiet, cv2.MORPH_GRADIENT, SQUARE[3])
    edges = cv2.subtract(edges, cv2.blur(edges, (15, 15)))
    dark, light = (
        cv2.norm(cv2.multiply(cv2.subtract(_closed(side, 0.1), side), edges, dtype=cv2.CV_32F))
        for side in (quiet, cv2.bitwise_not(quiet))
    )
    return bool(dark >= IN_DOUBT_DARK * light)


def pen_ink(picture: Gray, *, is_dark: bool) -> PenInk:
    """Measure how far each pixel stands out of the paper, which remains when everything narrow and dark is closed."""
    light = picture if is_dark else cv2.bitwise_not(picture)
    # Faint pencil is a few grey levels, noise a fraction of one.
    quiet = cv2.blur(light.astype(np.uint16) * FINE, (3, 3))
    paper = _closed(quiet, PEN)
    hat = paper - quiet
    # The calmest part of the detail tells the noise: squares may fill the rest.
    detail = cv2.absdiff(quiet, cv2.blur(quiet, (3, 3)))
    noise = np.float32(quantile(hat, 0.5) + max(FAINTEST, 40 * quantile(detail, 0.15)))
    beyond = cv2.dilate(paper, SQUARE[9]) - quiet
    paper = cv2.convertScaleAbs(paper, alpha=1 / FINE)
    soft, ink = cv2.convertScaleAbs(hat, alpha=1 / FINE), cv2.subtract(paper, light)
    if is_dark:  # light multiplies: ink is the share of it that the pen takes
        paper = cv2.max(paper, max(24, 0.2 * quantile(paper, 0.5)))
        soft, ink = cv2.divide(soft, paper, scale=255), cv2.divide(ink, paper, scale=255)
    return PenInk(ink, soft, hat / noise, beyond / noise)


def _closed(picture: Picture, share: float) -> Picture:
    """Take away what is dark and narrower than a share of the picture.

    Shadows and edges of the page stay, because they go on beyond the border.
    """
    size = int(share * max(picture.shape)) | 1
    wide = cv2.copyMakeBorder(picture, size, size, size, size, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    return np.ascontiguousarray(closed[size:-size, size:-size])
