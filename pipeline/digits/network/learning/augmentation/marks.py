"""Marks that are no digit, and marks around or over a digit: (h, w) uint8, light on black."""

import cv2
import numpy as np

from pipeline.digits.arrays import Doubles, Gray
from pipeline.digits.field import FIELD
from pipeline.digits.network.learning.augmentation.drawing import FRACTION_BITS

Random = np.random.Generator

CANVAS = 56
MIDDLE = np.array([CANVAS / 2, CANVAS / 2])
# Without the letters that some hand writes like a digit.
SIGNS = "AEFHKMNRTVWXadfkmnrtuvwx????????++-#%&&&@*=!$"
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
INKED = 100
POINTS = 80
LEAST_TURN = 3.5


def sign(random: Random) -> Gray:
    """Write a letter or a sign that no hand takes for a digit."""
    canvas = np.zeros((3 * FIELD, 3 * FIELD), np.uint8)
    letter, font = SIGNS[random.integers(len(SIGNS))], FONTS[random.integers(len(FONTS))]
    cv2.putText(canvas, letter, (FIELD, 2 * FIELD), font, 1.5, 255, int(random.integers(1, 8)), cv2.LINE_AA)
    lean, width = random.uniform(-0.3, 0.3), random.uniform(0.6, 1.3)
    slanting = np.array([[width, lean, 1.5 * FIELD * (1 - width - lean)], [0, 1, 0]])
    return np.asarray(cv2.warpAffine(canvas, slanting, canvas.shape), np.uint8)


def question_mark(seven: Gray, random: Random) -> Gray:
    """Set a dot below the stem of a 7, (28, 28) uint8."""
    canvas, rows = np.pad(seven, FIELD // 2), np.flatnonzero((seven > INKED).any(axis=1))
    stem = float(np.flatnonzero(seven[rows[-1]] > INKED).mean()) if len(rows) else FIELD / 2
    radius, foot = random.uniform(1, 2.5), rows[-1] if len(rows) else FIELD
    dot = np.array([stem + random.normal(0, 1), foot + radius + random.uniform(0.5, 4)]) + FIELD // 2
    scale = 2**FRACTION_BITS
    cv2.circle(canvas, (dot * scale).astype(int).tolist(), int(radius * scale), 255, -1, cv2.LINE_AA, FRACTION_BITS)
    return canvas


def framed(digit: Gray, random: Random) -> Gray:
    """Draw a ring or a box around a digit, (28, 28) uint8."""
    canvas, thickness = _enlarged(digit), int(random.integers(1, 5))
    middle, sides = MIDDLE + random.normal(0, 2, 2), random.uniform(0.6, 0.96, 2) * CANVAS
    if random.random() < 0.7:
        ring = middle, sides if random.random() < 0.4 else sides[:1].repeat(2), random.uniform(0, 180)
        cv2.ellipse(canvas, ring, 255, thickness, cv2.LINE_AA)
    else:
        box = cv2.boxPoints((middle, sides, random.uniform(-8, 8)))
        cv2.polylines(canvas, [box.astype(np.int32)], True, 255, thickness, cv2.LINE_AA)
    return canvas


def stamped(digit: Gray, random: Random) -> Gray:
    """Set a star over a digit, (28, 28) uint8, and most of the time a ring around it, as seals have them."""
    canvas = _enlarged(digit)
    turns = np.arange(10) * np.pi / 5 + random.uniform(0, 2 * np.pi)
    radii = np.tile([1, random.uniform(0.35, 0.6)], 5) * random.uniform(0.12, 0.25) * CANVAS
    star = MIDDLE + radii[:, np.newaxis] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    cv2.fillPoly(canvas, [star.astype(np.int32)], int(random.integers(120, 256)), cv2.LINE_AA)
    if random.random() < 0.7:
        side = random.uniform(0.7, 0.96) * CANVAS
        cv2.ellipse(canvas, (MIDDLE, (side, side), 0), int(random.integers(120, 256)), int(random.integers(1, 5)), cv2.LINE_AA)
    return canvas


def filled(random: Random) -> Gray:
    """Fill an oval or a box, as voters and pupils do."""
    canvas, sides = np.zeros((CANVAS, CANVAS), np.uint8), random.uniform(0.5, 0.96, 2) * CANVAS
    if random.random() < 0.7:
        cv2.ellipse(canvas, (MIDDLE, sides, random.uniform(0, 180)), 255, -1, cv2.LINE_AA)
    else:
        cv2.fillPoly(canvas, [cv2.boxPoints((MIDDLE, sides, random.uniform(-10, 10))).astype(np.int32)], 255, cv2.LINE_AA)
    return canvas


def face(random: Random) -> Gray:
    """Draw a ring with two eyes and a mouth."""
    canvas, thickness, side = np.zeros((CANVAS, CANVAS), np.uint8), int(random.integers(1, 4)), 0.9 * CANVAS
    cv2.ellipse(canvas, (MIDDLE, (side * random.uniform(0.8, 1), side), 0), 255, thickness, cv2.LINE_AA)
    across, down = random.uniform(0.12, 0.22) * side, random.uniform(0.08, 0.18) * side
    for eye in (MIDDLE - (across, down), MIDDLE - (-across, down)):
        cv2.circle(canvas, eye.astype(int).tolist(), int(random.integers(1, 4)), 255, -1, cv2.LINE_AA)
    mouth, radii = (MIDDLE - (0, -0.05 * side)).astype(int), (side * random.uniform(0.15, 0.3, 2)).astype(int)
    cv2.ellipse(canvas, mouth.tolist(), radii.tolist(), 0, 20, 160, 255, thickness, cv2.LINE_AA)
    return canvas


def scribble(random: Random) -> Gray:
    """Let a line wander about, as where something was struck out."""
    time = np.linspace(0, 2 * np.pi, POINTS)[:, np.newaxis]
    waves = np.arange(1, 6)
    path = np.stack(
        [(random.normal(0, 1, 5) * np.sin(waves * time + random.uniform(0, 7, 5))).sum(axis=1) for _ in "xy"], axis=1
    )
    return _line((path - path.min(axis=0)) / np.ptp(path, axis=0) * (random.uniform(0.5, 1, 2) * (CANVAS - 8)) + 4, random)


def hair(random: Random) -> Gray:
    """Let a line bend slowly this way and that, as a hair or a thread on the glass does."""
    bends = np.cumsum(random.normal(0, random.uniform(0.05, 0.25), POINTS)) + random.normal(0, 0.1)
    bends *= random.uniform(LEAST_TURN, 10) / max(np.abs(bends).sum(), 1e-9)
    angle = np.cumsum(bends) + random.uniform(0, 2 * np.pi)
    path = np.cumsum(np.stack([np.cos(angle), np.sin(angle)], axis=1), axis=0)
    return _line((path - path.min(axis=0)) / np.ptp(path, axis=0).max() * (CANVAS - 8) + 4, random)


def _line(path: Doubles, random: Random) -> Gray:
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    points = np.round(path * 2**FRACTION_BITS).astype(np.int32)
    cv2.polylines(canvas, [points], False, 255, int(random.integers(1, 6)), cv2.LINE_AA, FRACTION_BITS)
    return canvas


def _enlarged(digit: Gray) -> Gray:
    """Set a digit into the middle of a canvas, with room around it."""
    return np.asarray(cv2.resize(np.pad(digit, FIELD // 5), (CANVAS, CANVAS), interpolation=cv2.INTER_LINEAR), np.uint8)
