"""A digit on paper of one darkness, or in strokes so broad that the light does not matter."""

import cv2
import numpy as np

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.scan.paper import paper_of
from pipeline.digits.pictures.scan.parts import choose_parts, is_speck
from pipeline.digits.pictures.scan.ruled_lines import without_box, without_lines
from pipeline.digits.pictures.scan.shapes import SQUARE, Strokes, border, extent, shrink

LONGEST = 160
SMALL = 72
MARGIN = 0.35
FLAT = 24
# A slope leaves a ridge of about 0.18 of its height at the border of the picture.
RIDGE = 0.5
DARKEST_PAPER = 40
LEAST_CONTRAST = 5
PLAIN_CONTRAST = 14
LEAST_DEVIATIONS = 3
MOST_INK = 0.6
# Paper with more detail than this share of the contrast has a pattern printed on it; smooth paper has half of it at most. Its
# deviation, in which the rims of strokes count too, is above this share.
TEXTURE, RIMS = 0.02, 0.08
SMALLEST_PATTERNED, LEAST_PAPER = 20, 0.1
# A pattern is finer than the pen, which a blur of so many pixels leaves, and weaker: this share of the threshold between paper
# and ink is taken off.
PEN_BLUR, PRINTED = 0.8, 0.3


def find_in_scan(picture: Gray) -> Strokes | None:
    """Find the digit in a picture, (h, w) uint8, dark on light or light on dark; None where there is nothing to read."""
    window, found = picture, _find(picture)
    if found and max(picture.shape) > 1.3 * LONGEST and extent(found.mask) < SMALL:
        window, beside = cut_out(picture, found.mask, MARGIN)[0], found.beside
        found = _find(window)
        found = found and found._replace(beside=max(beside, found.beside))
    return None if not found or is_speck(found.mask, window, picture) else found


def _find(picture: Gray) -> Strokes | None:
    small = shrink(picture, LONGEST)
    edge = border(small)
    if is_uneven(edge):
        return _digit(*_ink_in_uneven_light(small, is_dark=_is_dark_ink(small)))
    below, above = _apart(small, np.uint8(round(cv2.mean(edge)[0])))
    return _digit(below if _is_more(below, above) else above)


def find_broad(picture: Gray, *, is_dark: bool) -> Strokes | None:
    """Find a digit in strokes so broad that light does not matter, in ink that is darker than the paper or lighter."""
    return _digit(*_ink_in_uneven_light(shrink(picture, LONGEST), is_dark=is_dark))


def is_uneven(edge: Gray) -> bool:
    """Tell whether the pixels along the border differ in darkness."""
    darkest, lightest, _, _ = cv2.minMaxLoc(edge)
    return lightest - darkest > FLAT


def cut_out(picture: Gray, mask: Gray, margin: float) -> tuple[Gray, Gray]:
    """Cut a digit with its surroundings out of the picture in full size, and out of the mask of the shrunk one.

    ``margin``: the surroundings on each side, as a share of the digit.
    """
    left, top, width, height = cv2.boundingRect(mask)
    edge, scale = margin * max(width, height), max(picture.shape) / max(mask.shape)
    low_y, low_x, high_y, high_x = max(0.0, top - edge), max(0.0, left - edge), top + height + edge, left + width + edge
    window = np.s_[int(low_y * scale) : int(high_y * scale) + 1, int(low_x * scale) : int(high_x * scale) + 1]
    return np.ascontiguousarray(picture[window]), mask[int(low_y) : int(high_y) + 1, int(low_x) : int(high_x) + 1]


def _ink_in_uneven_light(picture: Gray, *, is_dark: bool) -> tuple[Gray, float]:
    """Measure how far each pixel stands out from paper whose darkness changes, and give the least that ink must."""
    light_paper = picture if is_dark else cv2.bitwise_not(picture)
    paper = paper_of(light_paper)
    ink = cv2.subtract(paper, light_paper)
    if is_dark:  # a shadow multiplies
        ink = cv2.divide(ink, cv2.max(paper, DARKEST_PAPER), scale=255)
    return np.asarray(ink, np.uint8), RIDGE * (float(paper.max()) - float(paper.min()))


def _is_dark_ink(picture: Gray) -> bool:
    """Tell whether the ink is dark: ink stands out most when the local mean is taken away."""
    small = shrink(picture, 64)
    size = max(3, min(small.shape) // 2 | 1)
    return _is_more(*_apart(small, np.asarray(cv2.blur(small, (size, size), borderType=cv2.BORDER_REPLICATE), np.uint8)))


def _apart(picture: Gray, paper: Gray | np.uint8) -> tuple[Gray, Gray]:
    """Measure how far each pixel is below the paper, and how far above."""
    darker = np.minimum(picture, paper)
    return paper - darker, picture - darker


def _is_more(one: Gray, other: Gray) -> bool:
    return cv2.norm(one) > cv2.norm(other)


def is_textured(ink: Gray, mask: Gray, contrast: float) -> bool:
    """Tell whether a fine pattern is on the paper, away from the ink in the mask and its rims.

    A tiny picture is all rims, and noise leaves no paper.
    """
    paper = 1 - cv2.dilate(mask, SQUARE[3])
    if max(ink.shape) < SMALLEST_PATTERNED or cv2.countNonZero(paper) < LEAST_PAPER * paper.size:
        return False
    detail = cv2.absdiff(ink, cv2.blur(ink, (3, 3)))
    return bool(cv2.mean(detail, paper)[0] > TEXTURE * contrast)


def _digit(ink: Gray, least: float = 0.0) -> Strokes | None:
    """Choose the digit among the ink: Otsu's threshold (1979), then down to what is faint but joined to it."""
    level, mask = cv2.threshold(ink, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    if not 0 < cv2.countNonZero(mask) < MOST_INK * mask.size:
        return None
    means, deviations = cv2.meanStdDev(ink, mask=1 - mask)
    mean, deviation = means.item(), deviations.item()
    contrast = cv2.mean(ink, mask)[0] - mean
    if contrast < max(LEAST_CONTRAST, LEAST_DEVIATIONS * deviation, least):
        return None
    is_faint = contrast < PLAIN_CONTRAST
    if deviation > RIMS * contrast and is_textured(ink, mask, contrast):
        ink = np.asarray(cv2.subtract(cv2.GaussianBlur(ink, (0, 0), PEN_BLUR), PRINTED * level), np.uint8)
        level, mask = cv2.threshold(ink, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        means, deviations = cv2.meanStdDev(ink, mask=1 - mask)
        mean, deviation = means.item(), deviations.item()
    clean = without_lines(without_box(mask))
    faint_level = min(max(mean + LEAST_DEVIATIONS * deviation, 0.3 * level), 0.7 * level)
    faint = cv2.threshold(ink, faint_level, 1, cv2.THRESH_BINARY)[1]
    if clean is not mask:
        faint &= cv2.dilate(clean, SQUARE[5])
    count, labels, table, _ = cv2.connectedComponentsWithStatsWithAlgorithm(faint, 8, cv2.CV_32S, cv2.CCL_BBDT)
    if count == 1:
        return None
    if count == 2:
        return Strokes(ink, faint, 1, 0.0, 0.0, is_faint)
    kept, beside, is_dotted = choose_parts(table[1:], faint.shape)
    area = table[1:, cv2.CC_STAT_AREA]
    chosen = np.concatenate([[0], kept]).astype(np.uint8)[labels]
    left_out = 1 - float(area[kept].sum() / area.sum())
    return Strokes(ink, chosen, int(kept.sum()), left_out, beside, is_faint, is_dotted)
