"""Marks that nobody ordered: digits in a ring, under a stamp, stacked, cut off; letters, signs, empty boxes.

A kind is a function from digits, (N, 28, 28) uint8 light on black, their labels, (N,), and a random generator to a picture, as
OpenCV writes it, and its label, -1 where it shows no digit, or two. Every size, place, colour and strength is drawn.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench import pages
from pipeline.digits.arrays import Doubles, Gray, Images, Labels
from pipeline.digits.network.learning.augmentation.hands import LIT, SEGMENTS

Random = np.random.Generator
Draw = Callable[[Gray, Random], Gray]
Kind = Callable[[Images, Labels, Random], tuple[Gray, int]]
Colour = tuple[float, float, float]

SIDE = 260
BLACK, RED, BLUE, GREEN, VIOLET = (
    (36.0, 33.0, 31.0),
    (60.0, 50.0, 205.0),
    (150.0, 60.0, 40.0),
    (80.0, 120.0, 30.0),
    (150.0, 40.0, 110.0),
)


def shows(draw: Draw, digit: int | None = None) -> Kind:
    """Make a kind that shows any digit, or always the same, from a function that draws one."""

    def kind(images: Images, labels: Labels, random: Random) -> tuple[Gray, int]:
        index = random.choice(np.arange(len(labels)) if digit is None else np.flatnonzero(labels == digit))
        return draw(images[index], random), int(labels[index])

    return kind


def shows_none(draw: Draw) -> Kind:
    """Make a kind without a digit, or with two, from a function that draws one."""
    return lambda images, labels, random: (draw(images[random.integers(len(labels))], random), -1)


def paper(random: Random, shape: tuple[int, int] = (SIDE, SIDE)) -> Doubles:
    """Give an empty sheet, (h, w, 3)."""
    return np.asarray(np.full((*shape, 3), random.uniform(225, 255)) + random.normal(0, 1, 3))


def ink(digit: Gray, size: int) -> Doubles:
    """Draw a digit smooth, in strokes as broad as its own: (size, size), 0 to 1."""
    large = cv2.GaussianBlur(
        cv2.resize(digit, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float64), (0, 0), size / 50
    )
    return np.asarray(1 / (1 + np.exp(-(large - 110) / 12)))


def laid(page: Doubles, strokes: Doubles, colour: Colour, place: tuple[int, int] | None = None) -> Doubles:
    """Lay ink, (h, w) from 0 to 1, on a page, in its middle or where its corner, (row, column), is said to be."""
    height, width = strokes.shape
    top, left = place or ((len(page) - height) // 2, (page.shape[1] - width) // 2)
    opacity = np.zeros(page.shape[:2])
    target = opacity[max(0, top) : top + height, max(0, left) : left + width]
    target[:] = strokes[max(0, -top) :, max(0, -left) :][: target.shape[0], : target.shape[1]]
    return np.asarray(page * (1 - opacity[..., np.newaxis] * (1 - np.array(colour) / 255)))


def drawn(page: Doubles, random: Random) -> Gray:
    """Round a page to pixels, and compress some of them as photos are."""
    picture = np.clip(page + random.normal(0, random.uniform(0, 2), page.shape), 0, 255).astype(np.uint8)
    if random.random() < 0.5:
        return picture
    return np.asarray(
        cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(75, 96))])[1], 1)
    )


def _size(random: Random, low: float = 90, high: float = 150) -> int:
    return int(random.uniform(low, high))


def _pen(random: Random) -> Colour:
    return (BLACK, BLACK, BLUE)[random.integers(3)]


def _shape(draw: Callable[[Gray], object], shape: tuple[int, int] = (SIDE, SIDE)) -> Doubles:
    """Draw with OpenCV on an empty plane: 0 to 1."""
    plane = np.zeros(shape, np.uint8)
    draw(plane)
    return np.asarray(plane / 255.0)


def _ring(digit: Gray, random: Random) -> Gray:
    pen, size = _pen(random), _size(random)
    page = laid(paper(random), ink(digit, size), pen)
    across = size * random.uniform(0.62, 0.85)
    axes = (2 * across, 2 * across * random.uniform(0.85, 1.15))
    middle = tuple((SIDE / 2 + random.normal(0, 4, 2)).tolist())
    ring = _shape(lambda plane: cv2.ellipse(plane, (middle, axes, 0), 255, int(random.integers(2, 9)), cv2.LINE_AA))
    return drawn(laid(page, ring, pen), random)


def _own_box(digit: Gray, random: Random) -> Gray:
    """Draw a box around a digit, away from the border of the picture."""
    pen, size = _pen(random), _size(random)
    page = laid(paper(random), ink(digit, size), pen)
    sides = (random.uniform(0.8, 1.6) * size, random.uniform(1.1, 1.6) * size)
    box = cv2.boxPoints(((SIDE / 2, SIDE / 2), sides, random.uniform(-5, 5))).astype(np.int32)
    frame = _shape(lambda plane: cv2.polylines(plane, [box], True, 255, int(random.integers(2, 8)), cv2.LINE_AA))
    return drawn(laid(page, frame, pen), random)


def _stamp(digit: Gray, random: Random) -> Gray:
    size, colour = _size(random), (RED, RED, VIOLET, GREEN)[random.integers(4)]
    page, middle = laid(paper(random), ink(digit, size), BLACK), SIDE / 2 + random.normal(0, 6, 2)
    turns, radii = np.arange(10) * np.pi / 5 - np.pi / 2, np.tile([1, 0.4], 5) * random.uniform(15, 40)
    star = np.stack([middle[0] + radii * np.cos(turns), middle[1] + radii * np.sin(turns)], axis=1).astype(np.int32)

    def seal(plane: Gray) -> None:
        cv2.circle(
            plane, middle.astype(int).tolist(), int(random.uniform(60, 115)), 255, int(random.integers(4, 13)), cv2.LINE_AA
        )
        cv2.fillPoly(plane, [star], 255, cv2.LINE_AA)

    return drawn(laid(page, _shape(seal) * random.uniform(0.6, 1), colour), random)


def _glare(digit: Gray, random: Random) -> Gray:
    shape = (420, 420)
    y, x = np.mgrid[: shape[0], : shape[1]]
    board = np.full((*shape, 3), random.uniform(150, 200)) + np.array([3, 0, -3]) - 0.04 * y[..., np.newaxis]
    size, colour = _size(random, 110, 220), (BLUE, RED, GREEN, BLACK)[random.integers(4)]
    spot = int(shape[0] / 2 + random.normal(0, 30)), int(shape[1] / 2 + random.normal(0, 30))
    board = laid(board, ink(digit, size), colour, (spot[0] - size // 2, spot[1] - size // 2))
    angle, away = random.uniform(0, 2 * np.pi), random.uniform(120, 190)
    distance = np.hypot(y - spot[0] - away * np.sin(angle), x - spot[1] - away * np.cos(angle))
    flash = 1 / (1 + np.exp((distance - random.uniform(30, 60)) / random.uniform(3, 12)))
    return drawn(board + (255 - board) * flash[..., np.newaxis], random)


def _underlined(digit: Gray, random: Random) -> Gray:
    pen, size = _pen(random), _size(random)
    strokes = ink(digit, size)
    bottom = np.flatnonzero(strokes.max(axis=1) > 0.5)[-1] + (SIDE - size) // 2
    row, half = bottom + random.uniform(4, 30), size * random.uniform(0.35, 0.7)
    ends = [[int(SIDE / 2 - half), int(row + random.normal(0, 4))], [int(SIDE / 2 + half), int(row)]]
    line = _shape(lambda plane: cv2.line(plane, ends[0], ends[1], 255, int(random.integers(2, 9)), cv2.LINE_AA))
    return drawn(laid(laid(paper(random), strokes, pen), line, pen), random)


def _display(_: Images, __: Labels, random: Random) -> tuple[Gray, int]:
    number = int(random.integers(10))
    return _segments(number, random), number


def _segments(number: int, random: Random) -> Gray:
    """Show a digit on a display of seven segments, dark on light or light on dark."""
    unit, breadth, gap = int(random.uniform(40, 80)), int(random.integers(6, 16)), random.uniform(0, 0.12)
    slant, plane = random.uniform(0, 0.15), np.zeros((SIDE, SIDE), np.uint8)
    corner = np.array([SIDE / 2 - unit / 2, SIDE / 2 - unit])
    for name in LIT[number]:
        ends = np.array(SEGMENTS[name], float).reshape(2, 2)
        start, end = (ends + gap * (ends[::-1] - ends)) * unit + corner
        points = [(int(x - slant * (y - SIDE / 2)), int(y)) for x, y in (start, end)]
        cv2.line(plane, points[0], points[1], 255, breadth, cv2.LINE_AA)
    page = np.full((SIDE, SIDE, 3), (120.0, 160.0, 150.0))
    if random.random() < 0.3:
        return drawn(30 + plane[..., np.newaxis] / 255 * np.array([60, 60, 220]), random)
    return drawn(laid(page, plane / 255, BLACK), random)


def _barred(seven: Gray, random: Random) -> Gray:
    """Put a bar through the stem of a seven."""
    pen, size = _pen(random), _size(random)
    strokes = ink(seven, size)
    rows = np.flatnonzero(strokes.max(axis=1) > 0.5)
    row = int(rows[0] + len(rows) * random.uniform(0.4, 0.62))
    stem, half = np.flatnonzero(strokes[row] > 0.5).mean(), size * random.uniform(0.14, 0.25)
    breadth = max(2, int(np.count_nonzero(strokes > 0.5) / len(rows) * random.uniform(0.4, 0.8)))
    ends = [(int(stem - half), int(row + random.normal(0, 4))), (int(stem + half), int(row + random.normal(0, 4)))]
    bar = _shape(lambda plane: cv2.line(plane, ends[0], ends[1], 255, breadth, cv2.LINE_AA), strokes.shape)
    return drawn(laid(paper(random), np.maximum(strokes, bar), pen), random)


def _crossed_by_line(digit: Gray, random: Random) -> Gray:
    """Write over a printed line that goes on to the border, across, down or both."""
    pen, size = _pen(random), _size(random)
    page = laid(paper(random), ink(digit, size), pen)
    place, breadth = int(SIDE / 2 + random.uniform(-0.4, 0.4) * size), int(random.integers(2, 7))
    line = np.zeros((SIDE, SIDE))
    line[place : place + breadth] = 1
    lines = (line, line.T, np.maximum(line, line.T))[random.integers(3)]
    return drawn(laid(page, lines, BLACK), random)


def _crossed_by_box(digit: Gray, random: Random) -> Gray:
    """Print a box that the digit is written over."""
    size = _size(random)
    page = laid(paper(random), ink(digit, size), _pen(random))
    corner = np.array([SIDE, SIDE]) / 2 + random.uniform(-0.7, -0.2, 2) * size
    ends = [corner.astype(int).tolist(), (corner + random.uniform(0.9, 1.4, 2) * size).astype(int).tolist()]
    box = _shape(lambda plane: cv2.rectangle(plane, ends[0], ends[1], 255, int(random.integers(1, 5))))
    return drawn(laid(page, box, BLACK), random)


def _dithered(digit: Gray, random: Random) -> Gray:
    """Scan in one bit: grey paper becomes dots (Floyd and Steinberg, 1976)."""
    page = np.full((SIDE // 2, SIDE // 2), random.uniform(150, 235))
    size = _size(random, 60, 110)
    page = laid(np.dstack([page] * 3), ink(digit, size), BLACK)[..., 0]
    image = Image.fromarray(page.astype(np.uint8)).convert("1")
    return np.dstack([np.asarray(image, np.uint8) * 255] * 3)


def _cut_off(digit: Gray, random: Random, share: float) -> Gray:
    """Cut a share of the digit off at a side."""
    page = drawn(laid(paper(random), ink(digit, _size(random)), _pen(random)), random)
    page = np.rot90(page, turns := int(random.integers(4)))
    rows = np.flatnonzero(page.min(axis=(1, 2)) < 128)
    page = page[int(rows[0] + share * len(rows)) :]
    return np.ascontiguousarray(np.rot90(page, -turns))


def _dotted(digit: Gray, random: Random) -> Gray:
    """Put a dot after the digit, as ends of amounts have."""
    pen, size = _pen(random), _size(random)
    strokes = ink(digit, size)
    rows, columns = (np.flatnonzero(strokes.max(axis=axis) > 0.5) + (SIDE - size) // 2 for axis in (1, 0))
    place = int(columns[-1] + random.uniform(8, 25)), int(rows[-1] - random.uniform(0, 8))
    dot = _shape(lambda plane: cv2.circle(plane, place, int(random.integers(3, 9)), 255, -1, cv2.LINE_AA))
    return drawn(laid(laid(paper(random), strokes, pen), dot, pen), random)


def _neighbour(digit: Gray, random: Random) -> Gray:
    """Let a little of the next digit, turned over, reach in from a side."""
    pen, size = _pen(random), _size(random)
    strokes, other = ink(digit, size), ink(np.ascontiguousarray(np.rot90(digit, 2)), size)
    columns = np.flatnonzero(strokes.max(axis=0) > 0.5)
    page = laid(paper(random, (int(1.2 * size), len(columns) + 30)), strokes, pen, (int(0.1 * size), 15 - columns[0]))
    reach = int(random.uniform(3, 12))
    others = np.flatnonzero(other.max(axis=0) > 0.5)
    piece = other[:, others[0] : others[0] + reach]
    return drawn(laid(page, piece, pen, (int(0.1 * size), page.shape[1] - reach)), random)


def _stacked(digit: Gray, random: Random) -> Gray:
    """Write a digit, and the same turned by half, one above the other: 6 and 9, and such."""
    pen, size = _pen(random), _size(random, 70, 120)
    first, second = (pages.cropped(ink(one, size), 0) for one in (digit, np.ascontiguousarray(np.rot90(digit, 2))))
    gap = int(random.uniform(0.1, 0.5) * size)
    page = paper(random, (len(first) + len(second) + gap + 60, 2 * size))
    page = laid(page, first, pen, (30, (2 * size - first.shape[1]) // 2))
    place = (30 + len(first) + gap, (2 * size - second.shape[1]) // 2 + int(random.normal(0, 0.1 * size)))
    return drawn(laid(page, second, pen, place), random)


def _text(text: str, random: Random) -> Gray:
    """Print a letter or a sign, slanted a little."""
    plane = Image.new("L", (SIDE, SIDE))
    font = ImageFont.load_default(_size(random, 100, 180))
    drawing = ImageDraw.Draw(plane)
    drawing.text((SIDE / 2, SIDE / 2), text, 255, font, "mm", stroke_width=int(random.integers(0, 5)), stroke_fill=255)
    slant = random.uniform(-0.3, 0.3)
    shear = np.array([[random.uniform(0.8, 1.1), slant, -slant * SIDE / 2], [0, 1, 0]])
    strokes = cv2.warpAffine(np.asarray(plane), shear, (SIDE, SIDE)) / 255.0
    return drawn(laid(paper(random), strokes, _pen(random)), random)


def _empty_box(_: Gray, random: Random) -> Gray:
    height, width = (int(side) for side in random.uniform(130, 260, 2))
    inset = random.uniform(2, 30, 4)
    low, high = (int(inset[0]), int(inset[1])), (int(width - inset[2]), int(height - inset[3]))
    box = _shape(lambda plane: cv2.rectangle(plane, low, high, 255, int(random.integers(1, 6)), cv2.LINE_AA), (height, width))
    return drawn(laid(paper(random, (height, width)), box * random.uniform(0.6, 1), BLACK), random)


def _bubble(_: Gray, random: Random) -> Gray:
    """Fill an oval with a pencil, stroke by stroke."""
    sides = random.uniform(50, 110), random.uniform(50, 110)
    oval = _shape(lambda plane: cv2.ellipse(plane, ((SIDE / 2, SIDE / 2), sides, 0), 255, -1, cv2.LINE_AA))
    texture = 1 - random.uniform(0, 0.3) * random.random((SIDE, SIDE))
    return drawn(laid(paper(random), oval * texture, _pen(random)), random)


def _smiley(_: Gray, random: Random) -> Gray:
    breadth, radius = int(random.integers(2, 8)), int(random.uniform(45, 90))
    middle = SIDE // 2

    def face(plane: Gray) -> None:
        cv2.circle(plane, (middle, middle), radius, 255, breadth, cv2.LINE_AA)
        for side in (-1, 1):
            cv2.circle(
                plane, (middle + side * radius // 3, middle - radius // 4), int(random.integers(3, 8)), 255, -1, cv2.LINE_AA
            )
        start, end = random.uniform(0, 40), random.uniform(140, 180)
        cv2.ellipse(plane, (middle, middle + radius // 8), (radius // 2, radius // 2), 0, start, end, 255, breadth, cv2.LINE_AA)

    return drawn(laid(paper(random), _shape(face), _pen(random)), random)


def _hair(_: Gray, random: Random) -> Gray:
    """Lay a long thin hair on the glass: it bends, and crosses itself."""
    time = np.linspace(0, 1, 120)[:, np.newaxis]
    angle = np.cumsum(random.normal(0, 0.12, 120)) + time[:, 0] * random.uniform(4, 9) * random.choice([-1, 1])
    path = np.cumsum(np.stack([np.cos(angle), np.sin(angle)], axis=1), axis=0)
    path = (path - path.min(axis=0)) / np.ptp(path, axis=0).max() * random.uniform(100, 200) + 30
    points = [np.round(path * 16).astype(np.int32)]
    hair = _shape(lambda plane: cv2.polylines(plane, points, False, 255, int(random.integers(1, 4)), cv2.LINE_AA, 4))
    return drawn(laid(paper(random), hair, BLACK), random)


LETTERS, SIGNS = "AEFHKMNRTWX", "+&#%*=@$"
KINDS: dict[str, Kind] = {
    "in a ring": shows(_ring),
    "in a box of its own": shows(_own_box),
    "under a stamp": shows(_stamp),
    "beside a flash": shows(_glare),
    "underlined": shows(_underlined),
    "on lines that go through": shows(_crossed_by_line),
    "on the edge of a box": shows(_crossed_by_box),
    "in one bit, dithered": shows(_dithered),
    "a dot after it": shows(_dotted),
    "ink of a neighbour": shows(_neighbour),
    "cut off by a tenth": shows(partial(_cut_off, share=0.1)),
    "cut off by a quarter": shows(partial(_cut_off, share=0.25)),
    "cut off by a half": shows(partial(_cut_off, share=0.5)),
    "a barred seven": shows(_barred, 7),
    "on a display": _display,
    "two stacked": shows_none(_stacked),
    "a question mark": shows_none(lambda _, random: _text("?", random)),
    "a letter": shows_none(lambda _, random: _text(LETTERS[random.integers(len(LETTERS))], random)),
    "a sign": shows_none(lambda _, random: _text(SIGNS[random.integers(len(SIGNS))], random)),
    "an empty box": shows_none(_empty_box),
    "a filled bubble": shows_none(_bubble),
    "a smiley": shows_none(_smiley),
    "a hair": shows_none(_hair),
}
