"""Pictures as clerks send them, rendered from digits: scans, photos, forms, canvases, and pages without a digit.

A kind is a function from a digit, (28, 28) uint8 light on black, and a random generator to a picture: (h, w) grey or (h, w, 4)
RGBA, uint8. Every size, place, ground and strength is drawn, so that no two are alike.
"""

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.digits.arrays import Doubles, Gray

Random = np.random.Generator
Kind = Callable[[Gray, Random], Gray]

HEIGHT, WIDTH = 420, 320


def thinned(digit: Gray, size: int, width: int) -> Doubles:
    """Draw a digit, ``size`` pixels high and broad, anew with a pen of ``width`` pixels: 0 to 1."""
    smooth = cv2.GaussianBlur(cv2.resize(digit, (size, size), interpolation=cv2.INTER_CUBIC), (0, 0), size / 60)
    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    line = cv2.dilate(_skeleton((smooth > 110).astype(np.uint8)), pen)
    return np.asarray(np.minimum(cv2.GaussianBlur(line.astype(np.float64), (0, 0), 0.8), 1), np.float64)


def enlarged(digit: Gray, size: int) -> Doubles:
    """Scale a digit, strokes and all: 0 to 1."""
    return np.asarray(cv2.resize(digit, (size, size), interpolation=cv2.INTER_CUBIC), np.float64) / 255


def cropped(strokes: Doubles, margin: int) -> Doubles:
    """Cut a drawing to its ink and leave a margin of some pixels."""
    left, top, width, height = cv2.boundingRect((strokes > 0.5).astype(np.uint8))
    return np.pad(strokes[top : top + height, left : left + width], margin)


def light(shape: tuple[int, int], random: Random, depth: float) -> Doubles:
    """Let light fall off from some place on the page, down to 1 - ``depth``."""
    y, x = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    across, down = random.uniform(0.2, 0.8, 2)
    distance = np.hypot(x - across, y - down)
    return np.asarray(1 - depth * (distance / distance.max()) ** random.uniform(1, 2))


def shade(shape: tuple[int, int], random: Random) -> Doubles:
    """Lay the edge of a shadow across the page."""
    y, x = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    angle = random.uniform(0, 2 * np.pi)
    along = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) - random.uniform(-0.2, 0.4)
    return np.asarray(1 - random.uniform(0.3, 0.6) / (1 + np.exp(-along * random.uniform(15, 80))))


def finished(page: Doubles, random: Random, noise: float = 2.0) -> Gray:
    """Add the noise of a sensor, and the compression of a photo."""
    noisy = np.clip(page + random.normal(0, noise, page.shape), 0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(75, 96))])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def placed(strokes: Doubles, shape: tuple[int, int], random: Random) -> Doubles:
    """Set a drawing somewhere on an empty page, clear of its border."""
    page = np.zeros(shape)
    height, width = strokes.shape
    top, left = (int((whole - part) * random.uniform(0.15, 0.85)) for whole, part in zip(shape, strokes.shape, strict=True))
    page[top : top + height, left : left + width] = strokes
    return page


def _skeleton(mask: Gray) -> Gray:
    """Thin a mask of 0 and 1 to lines of one pixel (Guo and Hall, 1989)."""
    mask = np.pad(mask, 1)
    while True:
        before = mask.copy()
        for turn in (0, 1):
            p = [
                np.roll(mask, shift, (0, 1)) for shift in ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))
            ]
            joined = np.sum([(1 - p[i]) & (p[i + 1] | p[(i + 2) % 8]) for i in (0, 2, 4, 6)], axis=0)
            pairs = [np.sum([p[i] | p[(i + 1) % 8] for i in range(start, 8, 2)], axis=0) for start in (0, 1)]
            neighbours = np.minimum(pairs[0], pairs[1])
            side = p[2] & (p[0] | p[1] | (1 - p[3])) if turn == 0 else p[6] & (p[4] | p[5] | (1 - p[7]))
            mask = mask & ~((joined == 1) & (neighbours >= 2) & (neighbours <= 3) & (side == 0)).astype(np.uint8)
        if np.array_equal(mask, before):
            return np.ascontiguousarray(mask[1:-1, 1:-1])


def _clean(digit: Gray, random: Random) -> Gray:
    size = int(random.uniform(32, 400))
    page = placed(enlarged(digit, size), (int(size * 1.2), int(size * 1.2)), random)
    paper, ink = random.uniform(200, 255), random.uniform(0, 90)
    return np.asarray(paper + (ink - paper) * np.clip(page, 0, 1), np.uint8)


def _written(digit: Gray, random: Random, sizes: tuple[float, float], widths: tuple[int, int]) -> Doubles:
    return placed(thinned(digit, int(random.uniform(*sizes)), int(random.integers(*widths))), (HEIGHT, WIDTH), random)


def _photo(strokes: Doubles, random: Random, ink: tuple[float, float] = (0.2, 0.5), depth: float = 0.5) -> Doubles:
    return random.uniform(180, 235) * (1 - strokes * (1 - random.uniform(*ink))) * light(strokes.shape, random, depth)


def _thin(digit: Gray, random: Random) -> Gray:
    return finished(_photo(_written(digit, random, (120, 250), (3, 7)), random, depth=0.7), random)


def _shadow(digit: Gray, random: Random) -> Gray:
    page = _photo(_written(digit, random, (120, 280), (4, 20)), random)
    return finished(page * shade(page.shape, random), random)


def _pencil(digit: Gray, random: Random) -> Gray:
    page = _photo(_written(digit, random, (120, 250), (4, 6)), random, (0.75, 0.85))
    return finished(cv2.GaussianBlur(page, (0, 0), 1.4), random, 1.5)


def _squared(digit: Gray, random: Random) -> Gray:
    ink = _written(digit, random, (90, 160), (4, 7))
    page, step, strength = np.ones_like(ink), int(random.integers(40, 90)), random.uniform(0.72, 0.9)
    for start in range(int(random.integers(0, step)), HEIGHT, step):
        page[start : start + 2] = strength
    for start in range(int(random.integers(0, step)), WIDTH, step):
        page[:, start : start + 2] = strength
    return finished(page * _photo(ink, random), random)


def _page(digit: Gray, random: Random) -> Gray:
    page = _photo(_written(digit, random, (120, 230), (4, 9)), random, depth=0.4)
    page[: int(random.integers(4, 45))] = random.uniform(10, 100)
    if random.random() < 0.5:
        page[:, -int(random.integers(4, 25)) :] = random.uniform(10, 120)
    return finished(page, random)


def _tight(digit: Gray, random: Random) -> Gray:
    """Cut a broad digit to its ink, in uneven light."""
    strokes = cropped(np.clip(enlarged(digit, int(random.uniform(40, 500))), 0, 1), int(random.choice([0, 0, 1, 2, 6])))
    page = _photo(strokes, random, (0.1, 0.4), random.uniform(0.2, 0.5))
    return finished(page * shade(page.shape, random) if random.random() < 0.3 else page, random)


def _box(digit: Gray, random: Random) -> Gray:
    page = _clean(digit, random).astype(np.float64)
    inset, width = int(max(page.shape) * random.uniform(0, 0.06)), int(max(1, max(page.shape) * random.uniform(0.005, 0.03)))
    cv2.rectangle(page, (inset, inset), (page.shape[1] - 1 - inset, page.shape[0] - 1 - inset), random.uniform(0, 120), width)
    return np.asarray(page, np.uint8)


def _ruled(digit: Gray, random: Random) -> Gray:
    """Write on a ruled line, in even light; the line may run under the digit or through it."""
    page = _clean(digit, random)
    rows = np.flatnonzero((page < 128).any(axis=1))
    row = int(random.uniform(rows.mean(), len(page)))
    page[row : row + int(max(1, len(page) * random.uniform(0.005, 0.02)))] = random.integers(0, 150)
    return page


def _hairline(digit: Gray, random: Random) -> Gray:
    """Draw in lines of one or two pixels, as a program plots them."""
    size = int(random.uniform(100, 600))
    page = placed(thinned(digit, size, int(random.integers(1, 3))), (int(size * 1.2),) * 2, random)
    return np.asarray(255 - page * random.uniform(150, 255), np.uint8)


def _lid(digit: Gray, random: Random) -> Gray:
    page = _clean(digit, random)
    for side in random.permutation(4)[: random.integers(1, 5)]:
        page = np.rot90(page, side).copy()
        page[: int(max(1, len(page) * random.uniform(0.01, 0.1)))] = random.integers(0, 70)
        page = np.rot90(page, -side)
    return np.ascontiguousarray(page)


def _hole(digit: Gray, random: Random) -> Gray:
    page = _clean(digit, random)
    radius = int(max(page.shape) * random.uniform(0.05, 0.1))
    page = np.pad(page, ((0, 0), (4 * radius, 0)), mode="edge")
    cv2.circle(page, (int(1.5 * radius), int(len(page) * random.uniform(0.2, 0.8))), radius, int(random.integers(0, 60)), -1)
    return page


def _blackboard(digit: Gray, random: Random) -> Gray:
    strokes = _written(digit, random, (120, 280), (6, 20))
    board, chalk = random.uniform(30, 140), random.uniform(190, 245)
    return finished((board + (chalk - board) * strokes) * light(strokes.shape, random, 0.4), random)


def _small(digit: Gray, random: Random) -> Gray:
    page = np.full((1754, 1240), random.uniform(225, 255))
    size = int(random.uniform(40, 90))
    ink = placed(thinned(digit, size, int(random.integers(2, 5))), (1754, 1240), random)
    return np.asarray(page * (1 - ink * 0.8), np.uint8)


def _canvas(digit: Gray, random: Random) -> Gray:
    """Draw on a transparent ground, in dark or light, faintly at times; an eraser's white is on some of the dark ones."""
    size = int(random.uniform(60, 400))
    alpha = np.clip(placed(enlarged(digit, size), (int(size * 1.3),) * 2, random), 0, 1)
    is_light = random.random() < 0.4
    colour = np.full(alpha.shape, random.integers(200, 256) if is_light else random.integers(0, 60), np.uint8)
    opacity = alpha * (random.uniform(90, 255))
    if not is_light and random.random() < 0.6:
        eraser = np.zeros(alpha.shape, np.uint8)
        cv2.line(eraser, (0, 0), (int(size * random.uniform(0.5, 1.3)), 0), 1, int(size * 0.16))
        erased = (eraser > 0) & (alpha < 0.02)
        colour[erased], opacity[erased] = 255, 255
    return np.dstack([colour, colour, colour, opacity.astype(np.uint8)])


DIGITS: dict[str, Kind] = {
    "clean scan": _clean,
    "thin pen, light falls off": _thin,
    "shadow": _shadow,
    "faint pencil": _pencil,
    "squared paper": _squared,
    "edge of the page": _page,
    "broad, cut tight, uneven light": _tight,
    "box of a form": _box,
    "ruled line": _ruled,
    "hairline": _hairline,
    "lid of the scanner": _lid,
    "punch hole": _hole,
    "blackboard": _blackboard,
    "1 cm on A4": _small,
    "transparent canvas": _canvas,
}


def _blank(_: Gray, random: Random) -> Gray:
    shape = (int(random.uniform(60, HEIGHT)), int(random.uniform(60, WIDTH)))
    page = random.uniform(60, 240) * light(shape, random, random.uniform(0, 0.7))
    return finished(page * shade(shape, random) if random.random() < 0.3 else page, random, random.uniform(0, 8))


def _dust(_: Gray, random: Random) -> Gray:
    """Scan an empty page with one to three specks on it, up to a hundredth of its longer side."""
    height, width = (int(side) for side in random.uniform(60, 900, 2))
    page = random.uniform(200, 255) * light((height, width), random, random.uniform(0, 0.4))
    for _speck in range(random.integers(1, 4)):
        length = random.uniform(1, max(2, 0.005 * max(height, width)))
        place, axes = random.uniform(0.1, 0.9, 2) * (width, height), (length, random.uniform(0.2, 0.6) * length)
        speck = np.zeros((height, width), np.uint8)
        cv2.ellipse(speck, (place, 2 * np.array(axes), random.uniform(0, 180)), 255, -1, cv2.LINE_AA)
        page *= 1 - speck / 255 * random.uniform(0.4, 0.9)
    return finished(page, random, 1)


def _solid(_: Gray, random: Random) -> Gray:
    return np.full(tuple(random.integers(1, 400, 2)), random.integers(0, 256), np.uint8)


def _noise(_: Gray, random: Random) -> Gray:
    cells = random.integers(0, 256, tuple(random.integers(8, 200, 2)), np.uint8)
    scale = int(random.integers(1, 4))
    return np.asarray(cv2.resize(cells, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR), np.uint8)


def _two_digits(digit: Gray, random: Random) -> Gray:
    """Set a digit, and the same turned by half, side by side: 6 and 9, and such."""
    size = int(random.uniform(28, 160))
    turned = np.ascontiguousarray(np.rot90(digit, 2))
    first, second = (cropped(np.clip(enlarged(one, size), 0, 1), 0) for one in (digit, turned))
    gap, margin = int(size * random.uniform(0.02, 0.25)), int(size * random.uniform(0.1, 0.3))
    height = max(len(first), len(second))
    first, second = (np.pad(one, ((0, height - len(one)), (0, 0))) for one in (first, second))
    ink = np.pad(np.hstack([first, np.zeros((height, gap)), second]), margin)
    return np.asarray(random.uniform(190, 255) * (1 - ink * random.uniform(0.5, 0.95)), np.uint8)


NO_DIGIT: dict[str, Kind] = {
    "blank page": _blank,
    "blank page with dust": _dust,
    "one grey": _solid,
    "noise": _noise,
    "two digits": _two_digits,
}
