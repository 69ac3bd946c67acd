"""Pictures of scans for people, small enough that a page of thousands of them can be opened."""

import cv2
import numpy as np

from pipeline.digits.arrays import Gray
from pipeline.digits.field import FIELD

# The side of a thumbnail in pixels, and its most bytes, so that pictures of noise do not fill a report.
SIDE = 56
MOST_BYTES = 800
# The qualities of JPEG that are tried until a file is small enough; then the picture is halved.
QUALITIES = (60, 20)
# What is written in place of a picture that is the field, or its negative.
SAME, NEGATIVE = b"=", b"~"
NEGATED = bytes(range(255, -1, -1))


def shrunk(picture: Gray | str, side: int) -> Gray | None:
    """Shrink a picture, (h, w) uint8, that is larger than ``side``; None for what is no picture, and where ``side`` is 0."""
    if isinstance(picture, str) or not side:
        return None
    longest = max(picture.shape)
    if longest <= side:
        return picture
    height, width = (max(1, length * side // longest) for length in picture.shape)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def encoded(picture: Gray, field: bytes) -> bytes:
    """Write a picture as a JPEG or PNG file, or a mark for one that is as the network saw it, in ``field``."""
    if picture.shape == (FIELD, FIELD):
        pixels = picture.tobytes()
        if pixels == field:
            return SAME
        if pixels.translate(NEGATED) == field:
            return NEGATIVE
    # Small pictures are lines of single pixels, which JPEG blurs.
    if picture.size <= FIELD * FIELD and (content := _file(".png", picture)):
        return content
    while True:
        for quality in QUALITIES:
            if content := _file(".jpg", picture, cv2.IMWRITE_JPEG_QUALITY, quality):
                return content
        picture = np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def _file(suffix: str, picture: Gray, *options: int) -> bytes:
    _, content = cv2.imencode(suffix, picture, options)
    return content.tobytes() if content.size <= MOST_BYTES else b""
