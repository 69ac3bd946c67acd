"""When a person has to look, and the reason that is given."""

import numpy as np
import pytest

from pipeline.digits.images import BLANK, Glyph
from pipeline.digits.trust import doubt

SURE = 0.99


def glyph(*, ink: float = 0.1, parts: int = 1, left_out: float = 0.0, aspect: float = 0.7, beside: float = 0.0) -> Glyph:
    return Glyph(np.full((28, 28), round(255 * ink), np.uint8), parts, left_out, aspect, beside)


def test_a_sure_answer_to_a_picture_like_a_digit_is_not_doubted() -> None:
    assert doubt(glyph(), SURE, 0.95) == ""


def test_an_answer_below_the_bound_is_of_low_confidence() -> None:
    assert doubt(glyph(), 0.94, 0.95) == "low confidence"


def test_a_picture_without_ink_is_blank_however_sure_the_network_is() -> None:
    assert doubt(BLANK, SURE, 0.95) == "blank"


def test_a_second_piece_of_some_height_beside_the_first_is_another_digit() -> None:
    assert doubt(glyph(beside=0.8, parts=2), SURE, 0.95) == "several digits"


@pytest.mark.parametrize("odd", [glyph(ink=0.5), glyph(parts=4), glyph(left_out=0.5), glyph(aspect=2.0)])
def test_what_no_digit_looks_like_is_said_so(odd: Glyph) -> None:
    assert doubt(odd, SURE, 0.95) == "not like a digit"
