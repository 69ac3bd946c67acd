"""Ink of every colour on paper of every colour, on a transparent ground, and on a page that lies on one."""

import cv2
import numpy as np
import pytest

from pipeline.digits.pictures import normalising
from pipeline.digits.pictures.files import grey

CREAM, WHITE, KRAFT = (240, 235, 210), (248, 248, 248), (180, 140, 100)
INKS = {
    "blue on white": ((40, 60, 180), WHITE),
    "red on white": ((200, 40, 40), WHITE),
    "light blue on white": ((190, 225, 250), WHITE),
    "yellow on white": ((250, 235, 60), WHITE),
    "red on kraft": ((200, 60, 50), KRAFT),
    "chalk on a green board": ((235, 235, 235), (40, 90, 60)),
    "green on pink": ((120, 190, 120), (230, 150, 170)),
    # As light as the paper: nothing is left of them in the luminance.
    "red on green": ((190, 60, 60), (80, 115, 80)),
    "blue on brown": ((70, 120, 230), (160, 110, 60)),
}


def drawn(scan: np.ndarray, ink: tuple[int, ...], paper: tuple[int, ...], noise: float = 2.0) -> np.ndarray:
    """Draw the digit in ink on paper: (h, w, 3) uint8."""
    share = (250 - scan[..., np.newaxis].astype(float)) / 250
    grain = np.random.default_rng(0).normal(0, noise, (*scan.shape, 3))
    return np.clip(share * ink + (1 - share) * paper + grain, 0, 255).astype(np.uint8)


def shows(picture: np.ndarray, scan: np.ndarray, most: float = 20) -> bool:
    """Tell whether a digit is read; another one, or none, differs by more than 30."""
    return bool(np.abs(normalising.normalise(picture).field.astype(int) - normalising.normalise(scan).field).mean() < most)


@pytest.mark.parametrize("name", INKS)
def test_ink_stands_out_of_paper_of_another_colour(name: str, scan: np.ndarray) -> None:
    assert shows(grey.of_colour(drawn(scan, *INKS[name])), scan)


@pytest.mark.parametrize("name", ["red on green", "blue on brown"])
def test_that_ink_is_lost_in_the_luminance(name: str, scan: np.ndarray) -> None:
    assert not shows(cv2.cvtColor(drawn(scan, *INKS[name]), cv2.COLOR_RGB2GRAY), scan)


@pytest.mark.parametrize("name", ["blue on white", "red on white", "chalk on a green board"])
def test_where_luminance_shows_the_ink_it_is_taken(name: str, scan: np.ndarray) -> None:
    picture = drawn(scan, *INKS[name])

    assert np.array_equal(grey.of_colour(picture), cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


@pytest.mark.parametrize("noise", [2, 8, 20])
def test_a_blank_page_is_blank_however_much_its_channels_differ(noise: float, scan: np.ndarray) -> None:
    for paper in (WHITE, CREAM, KRAFT):
        assert normalising.normalise(grey.of_colour(drawn(np.full((240, 180), 250), (0, 0, 0), paper, noise))).is_blank


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2, 3), (65, 64)])
def test_a_picture_of_any_shape_has_as_many_pixels_as_before(shape: tuple[int, int]) -> None:
    assert grey.of_colour(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)).shape == shape


@pytest.mark.parametrize("opacity", [255, 100, 20, 4])
@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (30, 60, 220), (255, 230, 0), (130, 130, 130)])
def test_a_drawing_of_any_colour_and_however_faint_is_read(ink: tuple[int, ...], opacity: int, scan: np.ndarray) -> None:
    alpha = ((250 - scan.astype(float)) * opacity / 250).round().astype(np.uint8)
    drawing = np.dstack([np.full((*scan.shape, 3), ink, np.uint8), alpha])

    assert shows(grey.of_transparent(drawing), scan)


def test_more_eraser_than_ink_is_still_paper(scan: np.ndarray) -> None:
    drawing = np.dstack([np.zeros((*scan.shape, 3), np.uint8), 250 - scan])
    drawing[scan > 240] = 255
    drawing[::30, ::3] = 0

    assert shows(grey.of_transparent(drawing), scan)


@pytest.mark.parametrize("degrees", [-8, 3])
@pytest.mark.parametrize("size", [1.0, 0.75, 0.5])
@pytest.mark.parametrize("name", ["blue on white", "light blue on white", "chalk on a green board", "red on green"])
def test_a_page_on_a_transparent_ground_keeps_its_colour(name: str, size: float, degrees: float, scan: np.ndarray) -> None:
    page = drawn(np.pad(scan, ((20, 20), (25, 25)), constant_values=250), *INKS[name])
    page = np.dstack([page, np.full(page.shape[:2], 255, np.uint8)])
    height, width = page.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, size)

    lying = cv2.warpAffine(page, turn, (width, height), borderValue=(0, 0, 0, 0))

    straight = cv2.warpAffine(np.pad(scan, ((20, 20), (25, 25)), constant_values=250), turn, (width, height), borderValue=250)
    assert shows(grey.of_transparent(np.asarray(lying, np.uint8)), np.asarray(straight, np.uint8))


def test_a_blank_page_on_a_transparent_ground_is_blank() -> None:
    page = np.dstack([drawn(np.full((240, 180), 250), (0, 0, 0), WHITE), np.full((240, 180), 255, np.uint8)])
    page[:14], page[:, :9] = 0, 0

    assert normalising.normalise(grey.of_transparent(page)).is_blank
