"""Decoding and normalising pictures."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.digits import images

PIXELS = 1_000_000


@pytest.fixture(scope="module")
def scan() -> np.ndarray:
    """A real handwritten 5 as a scanner gives it: 120x90, dark on white, off the centre."""
    digits = load_digits()
    glyph = 255 - (digits.images[5] * 255 / 16).astype(np.uint8)
    page = np.full((120, 90), 250, np.uint8)
    page[20:84, 5:69] = np.minimum(cv2.resize(glyph, (64, 64), interpolation=cv2.INTER_CUBIC), 250)
    return page


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def field(picture: np.ndarray) -> np.ndarray:
    return images.normalise(picture).field


def test_a_normalised_picture_is_what_the_network_was_trained_on(scan: np.ndarray) -> None:
    glyph = images.normalise(scan)

    _, _, width, height = cv2.boundingRect((glyph.field > 0).astype(np.uint8))
    moments = cv2.moments(glyph.field)
    assert glyph.field.shape == (28, 28)
    assert glyph.field.dtype == np.uint8
    assert max(width, height) == 20
    assert moments["m10"] / moments["m00"] == pytest.approx(13.5, abs=0.6)
    assert moments["m01"] / moments["m00"] == pytest.approx(13.5, abs=0.6)
    assert not glyph.is_blank


def test_dark_on_light_and_light_on_dark_are_the_same_digit(scan: np.ndarray) -> None:
    assert np.array_equal(field(scan), field(255 - scan))


def test_normalising_twice_changes_nothing(scan: np.ndarray) -> None:
    once = field(scan)

    assert np.array_equal(field(once), once)


def test_a_speck_is_left_out(scan: np.ndarray) -> None:
    dirty = scan.copy()
    dirty[100:103, 80:83] = 0

    assert np.array_equal(field(dirty), field(scan))


def test_a_picture_four_times_the_size_is_the_same_digit(scan: np.ndarray) -> None:
    large = cv2.resize(scan, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)

    assert np.abs(field(large).astype(int) - field(scan)).mean() < 12


@pytest.mark.parametrize("value", [0, 7, 128, 255])
def test_a_picture_of_one_colour_is_blank(value: int) -> None:
    assert images.normalise(np.full((40, 30), value, np.uint8)).is_blank


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_picture_at_all_is_normalised(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)

    assert images.normalise(picture).field.shape == (28, 28)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_every_kind_of_png_is_the_same_digit(scan: np.ndarray, mode: str) -> None:
    picture = Image.fromarray((scan.astype(np.uint16) * 257) if mode == "I;16" else scan)
    picture = picture if mode == "I;16" else picture.convert(mode)

    decoded = images.decode(encoded(picture), maximum_pixels=PIXELS)

    assert decoded.shape == scan.shape
    assert np.abs(field(decoded).astype(int) - field(scan)).mean() < (25 if mode == "1" else 4)


def test_strokes_on_a_transparent_ground_are_ink() -> None:
    light = np.zeros((40, 40, 4), np.uint8)
    light[10:30, 18:22] = 255
    dark = light.copy()
    dark[..., :3] = 0

    fields = [field(images.decode(encoded(Image.fromarray(one)), maximum_pixels=PIXELS)) for one in (light, dark)]

    assert np.array_equal(fields[0], fields[1])
    assert fields[0].max() == 255


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "PPM", "TIFF", "WEBP"])
def test_other_formats_are_read(scan: np.ndarray, kind: str) -> None:
    assert images.decode(encoded(Image.fromarray(scan), kind), maximum_pixels=PIXELS).shape == scan.shape


def test_too_many_pixels_are_refused_before_they_are_decoded(scan: np.ndarray) -> None:
    with pytest.raises(images.DecodeError, match="90x120 pixels, more than 10000"):
        images.decode(encoded(Image.fromarray(scan)), maximum_pixels=10_000)


@pytest.mark.parametrize("share", range(10))
def test_a_truncated_png_has_a_reason(scan: np.ndarray, share: int) -> None:
    whole = encoded(Image.fromarray(scan))

    with pytest.raises(images.DecodeError, match=r"empty file|not an image|broken image"):
        images.decode(whole[: len(whole) * share // 10], maximum_pixels=PIXELS)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_picture_or_a_reason(content: bytes) -> None:
    try:
        images.decode(content, maximum_pixels=PIXELS)
    except images.DecodeError as error:
        assert str(error)
