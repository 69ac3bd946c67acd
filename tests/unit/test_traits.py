"""The numbers that batches of pictures are compared by."""

import numpy as np

from pipeline.digits.pictures import normalising, traits
from pipeline.digits.pictures.traits import NAMES, Shades


def stroke(turn: int = 0, shade: int = 0, size: int = 60) -> np.ndarray:
    """Draw a stroke from the bottom to the top, ``turn`` pixels to the right."""
    picture = np.full((size, size), 255, np.uint8)
    for row in range(10, size - 10):
        middle = size // 2 + round(turn * (size / 2 - row) / size)
        picture[row, middle - 3 : middle + 3] = shade
    return picture


def traits_of(picture: np.ndarray) -> dict[str, float]:
    (found,) = traits.of([traits.shades(picture)], [normalising.normalise(picture)])
    return dict(zip(NAMES, found.tolist(), strict=True))


def test_the_picture_itself_is_measured_before_it_is_normalised() -> None:
    picture = np.full((40, 50), 200, np.uint8)
    picture[:, :25] = 100

    assert traits.shades(picture) == Shades(50, 150.0, 50.0)
    assert traits.shades("no picture") == Shades(0, 0.0, 0.0)
    assert traits_of(stroke())["side"] == 60


def test_a_stroke_that_leans_to_the_right_has_a_slant_above_nought() -> None:
    left, upright, right = (traits_of(stroke(turn))["slant"] for turn in (-20, 0, 20))

    assert left < -0.2 < upright < 0.2 < right
    assert abs(left + right) < 0.02


def test_a_digit_in_grey_and_on_black_is_told_by_its_shades_and_not_by_its_ink() -> None:
    black, grey, inverted = traits_of(stroke()), traits_of(stroke(shade=128)), traits_of(255 - stroke())

    assert grey["contrast"] < black["contrast"] / 1.5
    assert inverted["shade"] < 60 < 200 < black["shade"]
    assert abs(inverted["ink"] - black["ink"]) < 2


def test_nothing_at_all_has_traits_too() -> None:
    found = traits.of([traits.shades(np.zeros((3, 3), np.uint8))], [normalising.BLANK])

    assert found.shape == (1, len(NAMES))
    assert np.isfinite(found).all()
    assert traits.of([], []).shape == (0, len(NAMES))


def test_the_longest_side_stays_a_number() -> None:
    assert np.isfinite(traits.of([traits.shades(np.zeros((70_000, 1), np.uint8))], [normalising.BLANK])).all()
