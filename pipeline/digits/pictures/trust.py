"""When a person has to look: what no digit looks like, and answers that are not sure enough."""

import cv2

from pipeline.digits.pictures.normalising import Glyph

BLANK = "blank"
FAINT = "too faint"
OVERFULL = "too much ink"
SEVERAL = "several digits"
CUT_OFF = "cut off at the edge"
PERHAPS_HALF = "perhaps half a picture"
UNLIKE = "not like a digit"
UNSURE = "low confidence"
REASONS = frozenset({BLANK, FAINT, OVERFULL, SEVERAL, CUT_OFF, PERHAPS_HALF, UNLIKE, UNSURE})
WIDEST = 1.6
MOST_PARTS = 3
MOST_LEFT_OUT = 0.35
TALLEST_BESIDE = 0.5
LONGEST = 1.35
# What is left of a 6, 8 or 9 that was cut off is a 0, of a 4, 7 or 9 a 1, of a 2 or 9 a 7. Other answers to a digit with one
# stroke at the border are right, if they are so sure.
FRAGMENTS = frozenset({0, 1, 7})
SURE_OF_CUT = 0.99
# MNIST's images have 0.29 at the 99.9th percentile.
MOST_INK = 0.32


def doubt(glyph: Glyph, digit: int, confidence: float, minimum_confidence: float) -> str:
    """Say why a person has to look at an answer, in the words of the column ``reason``; an empty text where nobody has to.

    ``confidence``: the calibrated probability of the answer ``digit``; both are from 0 to 1.
    """
    return oddity(glyph) or doubt_of_answer(digit, confidence, minimum_confidence, is_cut=glyph.cuts > 0)


def doubt_of_answer(digit: int, confidence: float, minimum_confidence: float, *, is_cut: bool) -> str:
    """Say the same of a picture that is like a digit. ``is_cut``: a stroke of it runs to the border."""
    if is_cut and (digit in FRAGMENTS or confidence < SURE_OF_CUT):
        return CUT_OFF
    return UNSURE if confidence < minimum_confidence else ""


def oddity(glyph: Glyph) -> str:
    """Say what makes a normalised picture unlike a digit; an empty text where it is like one."""
    is_scattered = glyph.parts > MOST_PARTS or glyph.length > LONGEST
    if glyph.is_blank or (glyph.is_faint and is_scattered):
        return BLANK
    if glyph.is_perhaps_half:
        return PERHAPS_HALF
    if glyph.is_full:
        return UNLIKE
    if glyph.is_faint:
        return FAINT
    if glyph.beside > TALLEST_BESIDE:
        return SEVERAL
    if glyph.cuts > 1:
        return CUT_OFF
    if cv2.mean(glyph.field)[0] / 255 > MOST_INK:
        return OVERFULL
    if is_scattered or glyph.is_dotted or glyph.aspect > WIDEST or glyph.left_out > MOST_LEFT_OUT:
        return UNLIKE
    return ""
