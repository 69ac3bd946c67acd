"""Forms that MNIST's writers did not give their digits: slender ones, small heads, nines as a rho, fours as an h, displays."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from pipeline.digits.arrays import Gray, Images, Labels
from pipeline.digits.field import FIELD, MIDDLE
from pipeline.digits.network.learning.augmentation.drawing import into_field, stroke
from pipeline.params.recipes import Form

Random = np.random.Generator

FAINTEST, INKED = 30, 60
LOWEST = 12
SPECK, STUB = 4, 3
# Each segment from its start to its end, (x, y), and those that show each of the digits from 0 to 9.
SEGMENTS = {
    "a": (0, 0, 1, 0),
    "b": (1, 0, 1, 1),
    "c": (1, 1, 1, 2),
    "d": (0, 2, 1, 2),
    "e": (0, 1, 0, 2),
    "f": (0, 0, 0, 1),
    "g": (0, 1, 1, 1),
}
LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def hands(images: Images, labels: Labels, random: Random, shares: Mapping[Form, float], strength: float = 1.0) -> Images:
    """Give some of the digits another form.

    ``images``: (N, 28, 28) uint8; so is the result. ``labels``: (N,) uint8. ``strength`` scales all shares, which are 0 where a
    form is not named. A digit gets one form at most.
    """
    drawn, chance = images.copy(), random.random(len(labels))
    used = 0.0
    for form, (digits, change) in FORMS.items():
        share = shares.get(form, 0.0) * strength
        for index in np.flatnonzero((chance >= used) & (chance < used + share) & np.isin(labels, digits)):
            drawn[index] = change(images[index], random)
        used += share
    for index in np.flatnonzero(chance >= 1 - shares.get("displays", 0.0) * strength):
        drawn[index] = on_display(int(labels[index]), random)
    return drawn


def on_display(digit: int, random: Random) -> Gray:
    """Draw a digit as a display of seven segments shows it: (28, 28) uint8."""
    canvas, (width, height) = np.zeros((4 * FIELD, 2 * FIELD), np.uint8), random.uniform((15, 30), (32, 45))
    gap, slant, thickness = random.uniform(0, 0.12), random.uniform(-0.05, 0.2), int(random.integers(3, 12))
    for name in LIT[digit]:
        ends = np.array(SEGMENTS[name], float).reshape(2, 2)
        x, y = ((ends + gap * (ends[::-1] - ends)) * (width, height)).T
        start, end = np.stack([x + FIELD / 2 - slant * (y - height), y + FIELD / 3], axis=1)
        stroke(canvas, start, end, bend=0, ink=255, thickness=thickness)
    return into_field(canvas)


def slender(digit: Gray, random: Random) -> Gray:
    """Squeeze a digit, (28, 28) uint8, in width; half of the time with strokes as broad as before."""
    width = random.uniform(0.4, 0.85)
    if random.random() < 0.5:
        digit = np.asarray(cv2.dilate(digit, np.ones((1, 2), np.uint8)), np.uint8)
    squeeze = np.array([[width, 0, MIDDLE * (1 - width)], [0, 1, 0]], np.float32)
    return np.asarray(cv2.warpAffine(digit, squeeze, (FIELD, FIELD), flags=cv2.INTER_AREA), np.uint8)


def with_small_head(digit: Gray, random: Random) -> Gray:
    """Bring the head of a 7 or 9, (28, 28) uint8, together, and squeeze it in width. A low one stays as it is."""
    power, width = random.uniform(1.2, 1.9), random.uniform(0.5, 1.0)
    inked = np.flatnonzero(digit.max(axis=1) > INKED)
    if len(inked) < LOWEST:
        return digit
    top, height = inked[0], inked[-1] + 1 - inked[0]
    place = (np.arange(FIELD) - top) / height
    source_rows = np.where((place >= 0) & (place <= 1), np.clip(place, 0, 1) ** (1 / power), place) * height + top
    source_columns = (np.arange(FIELD) - MIDDLE) / width + MIDDLE
    columns, rows = np.meshgrid(source_columns.astype(np.float32), source_rows.astype(np.float32))
    return np.asarray(cv2.remap(digit, columns, rows, cv2.INTER_LINEAR), np.uint8)


def mirrored(nine: Gray, random: Random) -> Gray:
    """Turn a 9, (28, 28) uint8, about its height, and slant it: so those write it who begin at its foot."""
    slant = random.uniform(-0.2, 0.35)
    shear = np.array([[1, slant, -slant * MIDDLE], [0, 1, 0]], np.float32)
    return np.asarray(cv2.warpAffine(np.ascontiguousarray(nine[:, ::-1]), shear, (FIELD, FIELD)), np.uint8)


def with_short_stem(four: Gray, random: Random) -> Gray:
    """Shorten the right stem of an open 4, (28, 28) uint8, from above, and half of the time from below too.

    A closed one stays as it is.
    """
    left, top, width, height = cv2.boundingRect((four > INKED).astype(np.uint8))
    if not width:
        return four
    reach = top + round(random.uniform(0.2, 0.5) * height)
    window = np.s_[top:reach, left : left + width]
    _, pieces, table, middles = cv2.connectedComponentsWithStats((four[window] > FAINTEST).astype(np.uint8))
    tips = [number for number in range(1, len(table)) if table[number, cv2.CC_STAT_AREA] > SPECK]
    if len(tips) != 2:
        return four
    cut = four.copy()
    cut[window][pieces == max(tips, key=lambda number: middles[number, 0])] = 0
    bar = int((cut > INKED).sum(axis=1).argmax())
    if bar - reach >= STUB and bar - top > width and random.random() < 0.5:
        cut[bar + int(random.integers(2, 5)) :] = 0
    return into_field(cut)


def as_h(_: Gray, random: Random) -> Gray:
    """Draw a 4 as many in Latin America do: a long stroke down, a bar at its foot, and a short stem across the end of it."""
    canvas, thickness = np.zeros((2 * FIELD, 2 * FIELD), np.uint8), int(random.integers(2, 5))
    shift = random.uniform(-3, 3, (5, 2))
    tip, corner, end = np.array([(random.uniform(14, 36), 6), (12, 40), (random.uniform(32, 44), 40)]) + shift[:3]
    stem, foot = (
        np.array([(end[0] - random.uniform(2, 8), random.uniform(24, 33)), (end[0] - random.uniform(2, 10), 50)]) + shift[3:]
    )
    for start, stop, bend in ((tip, corner, 0.06), (corner, end, 0.12), (stem, foot, 0.06)):
        stroke(canvas, start, stop, bend=random.normal(0, bend), ink=255, thickness=thickness)
    return into_field(canvas)


# The digits that get each form, but for the display, which needs the number and not the image.
FORMS: dict[Form, tuple[tuple[int, ...], Callable[[Gray, Random], Gray]]] = {
    "slender": ((0, 2, 3, 4, 5, 6, 7, 8, 9), slender),
    "small_heads": ((7, 9), with_small_head),
    "mirrored_nines": ((9,), mirrored),
    "short_fours": ((4,), with_short_stem),
    "fours_as_h": ((4,), as_h),
}
