"""The slices of a test set: each does to a digit what its name says, and the same each time."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.digits.network.slices import MAXIMUM_PIXELS, SLICES
from pipeline.digits.pictures.files.decoding import decode
from pipeline.digits.pictures.normalising import normalise

Gray = np.ndarray


@pytest.fixture(scope="module")
def digit(scan: Gray) -> Gray:
    """A digit as MNIST has it, light on black."""
    return normalise(scan).field


def file(name: str, digit: Gray, seed: int = 1) -> bytes:
    return SLICES[name](digit, np.random.default_rng(seed))


def ink(name: str, digit: Gray, seed: int = 1) -> np.ndarray:
    """Give the ink of a slice's picture: 0 for paper, 1 for the darkest."""
    return np.asarray(1 - decode(file(name, digit, seed), maximum_pixels=MAXIMUM_PIXELS) / 255.0)


def middle(ink: np.ndarray) -> np.ndarray:
    return np.asarray([np.average(axis, weights=ink) for axis in np.indices(ink.shape)])


def leaning(ink: np.ndarray) -> float:
    """Give the angle of the longer axis of some ink, in degrees."""
    moments = cv2.moments(ink)
    return float(np.degrees(0.5 * np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"])))


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_is_the_same_bytes_each_time(name: str, digit: Gray) -> None:
    assert file(name, digit) == file(name, digit)


@pytest.mark.parametrize("name", ["shifted", "noisy", "paper"])
def test_what_is_drawn_by_lot_is_drawn_by_the_seed(name: str, digit: Gray) -> None:
    assert len({file(name, digit, seed) for seed in range(20)}) > 5


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_shows_the_digit_that_it_is_made_of(name: str, digit: Gray) -> None:
    shown = ink(name, digit) if name != "inverted" else 1 - ink(name, digit)
    page = 40 if name == "paper" else 28

    small = cv2.resize(shown.astype(np.float32), (page, page), interpolation=cv2.INTER_AREA)

    template = np.pad(digit, 6).astype(np.float32) / 255
    window = small[6:34, 6:34] if name == "paper" else small
    assert cv2.matchTemplate(template, window, cv2.TM_CCOEFF_NORMED).max() > 0.75


def test_a_plain_scan_is_dark_on_white_and_the_inverted_one_light_on_black(digit: Gray) -> None:
    np.testing.assert_array_equal(np.round(ink("plain", digit) * 255), digit)
    np.testing.assert_array_equal(np.round(ink("inverted", digit) * 255), 255 - digit)


def test_a_shift_is_of_four_pixels_to_any_of_eight_sides() -> None:
    dot = np.zeros((28, 28), np.uint8)
    dot[14, 14] = 255

    moves = {tuple(np.round(middle(ink("shifted", dot, seed)) - 14).astype(int).tolist()) for seed in range(200)}

    assert moves == {(down, across) for down in (-4, 0, 4) for across in (-4, 0, 4)} - {(0, 0)}


def test_turns_are_of_fifteen_degrees_to_either_side() -> None:
    bar = np.zeros((28, 28), np.uint8)
    bar[12:16, 4:24] = 255

    assert leaning(ink("rotated_left", bar)) == pytest.approx(-15, abs=0.5)
    assert leaning(ink("rotated_right", bar)) == pytest.approx(15, abs=0.5)


def test_strokes_lose_and_gain_a_pixel_on_either_side_at_four_times_the_size() -> None:
    bar = np.zeros((28, 28), np.uint8)
    bar[4:24, 12:16] = 255

    widths = {name: int((ink(name, bar)[56] > 0.5).sum()) for name in ("thinner", "thicker")}

    assert ink("thinner", bar).shape == (112, 112)
    assert widths == {"thinner": 14, "thicker": 18}


def test_blur_is_of_one_pixel() -> None:
    dot = np.zeros((28, 28), np.uint8)
    dot[14, 14] = 255

    spread = ink("blurred", dot)[14]

    assert spread[15] / spread[14] == pytest.approx(np.exp(-0.5), abs=0.03)


def test_noise_is_of_25_grey_levels() -> None:
    grey = np.full((28, 28), 128, np.uint8)

    assert np.std(ink("noisy", grey) * 255) == pytest.approx(25, abs=2)


def test_faint_ink_is_of_30_percent() -> None:
    assert ink("faint", np.full((28, 28), 255, np.uint8)) == pytest.approx(np.full((28, 28), 0.3), abs=0.005)


def test_the_jpeg_is_one_of_100_pixels_and_quality_75(digit: Gray) -> None:
    picture = Image.open(io.BytesIO(file("jpeg", digit)))
    expected = io.BytesIO()
    Image.new("L", (8, 8)).save(expected, "JPEG", quality=75)

    assert (picture.format, picture.size) == ("JPEG", (100, 100))
    assert picture.quantization == Image.open(expected).quantization  # type: ignore[attr-defined]


def test_the_paper_is_uneven_and_has_a_line_across() -> None:
    empty = ink("paper", np.zeros((28, 28), np.uint8))

    darker = empty - np.median(empty, axis=0)
    rows = np.flatnonzero(darker.mean(axis=1) > 0.1)
    corners = empty[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert len(rows) == 2
    assert 0.55 * len(empty) < rows[0] < 0.95 * len(empty)
    assert np.ptp(corners) > 0.2
