"""When a person has to look, and the reason that is given."""

import numpy as np
import pytest

from pipeline.digits.pictures.normalising import BLANK, Glyph
from pipeline.digits.pictures.trust import doubt

SURE = 0.99
CUT = "cut off at the edge"
FIELD = np.full((28, 28), 25, np.uint8)
LIKE_A_DIGIT = Glyph(FIELD, parts=1, left_out=0.0, aspect=0.7, beside=0.0, length=0.6)


def test_a_sure_answer_to_a_picture_like_a_digit_is_not_doubted() -> None:
    assert doubt(LIKE_A_DIGIT, 3, SURE, 0.95) == ""


def test_an_answer_below_the_bound_is_of_low_confidence() -> None:
    assert doubt(LIKE_A_DIGIT, 3, 0.94, 0.95) == "low confidence"


def test_a_picture_without_ink_is_blank_however_sure_the_network_is() -> None:
    assert doubt(BLANK, 3, SURE, 0.95) == "blank"


def test_ink_that_may_be_none_is_too_faint() -> None:
    assert doubt(LIKE_A_DIGIT._replace(is_faint=True), 3, SURE, 0.95) == "too faint"


def test_faint_specks_all_over_are_a_blank_page() -> None:
    assert doubt(LIKE_A_DIGIT._replace(is_faint=True, length=3.0), 3, SURE, 0.95) == "blank"
    assert doubt(LIKE_A_DIGIT._replace(is_faint=True, parts=9), 3, SURE, 0.95) == "blank"


def test_a_second_piece_of_some_height_beside_the_first_is_another_digit() -> None:
    assert doubt(LIKE_A_DIGIT._replace(beside=0.8, parts=2), 3, SURE, 0.95) == "several digits"


def test_what_runs_into_the_border_twice_is_cut_off() -> None:
    assert doubt(LIKE_A_DIGIT._replace(cuts=2, aspect=2.0), 3, SURE, 0.95) == "cut off at the edge"


@pytest.mark.parametrize(("digit", "confidence", "reason"), [(5, 0.991, ""), (5, 0.98, CUT), (7, 1.0, CUT), (0, 1.0, CUT)])
def test_one_stroke_at_the_border_is_a_cut_where_the_answer_may_be_the_rest_of_another_digit_or_is_not_sure(
    digit: int, confidence: float, reason: str
) -> None:
    assert doubt(LIKE_A_DIGIT._replace(cuts=1), digit, confidence, 0.95) == reason


def test_what_may_not_be_whole_is_said_so_before_what_it_looks_like() -> None:
    assert doubt(LIKE_A_DIGIT._replace(is_perhaps_half=True, beside=0.8), 3, SURE, 0.95) == "perhaps half a picture"
    assert doubt(BLANK._replace(is_perhaps_half=True), 3, SURE, 0.95) == "blank"


@pytest.mark.parametrize(
    "odd",
    [
        LIKE_A_DIGIT._replace(parts=4),
        LIKE_A_DIGIT._replace(left_out=0.5),
        LIKE_A_DIGIT._replace(aspect=2.0),
        LIKE_A_DIGIT._replace(length=1.5),
        LIKE_A_DIGIT._replace(is_dotted=True),
    ],
)
def test_what_no_digit_looks_like_is_said_so(odd: Glyph) -> None:
    assert doubt(odd, 3, SURE, 0.95) == "not like a digit"


def test_a_field_full_of_ink_is_said_so() -> None:
    assert doubt(LIKE_A_DIGIT._replace(field=5 * FIELD), 3, SURE, 0.95) == "too much ink"


def test_ink_all_over_in_which_no_digit_was_found_is_not_blank() -> None:
    assert doubt(BLANK._replace(is_full=True), 3, SURE, 0.95) == "not like a digit"
