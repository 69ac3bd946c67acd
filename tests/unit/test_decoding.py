"""Decoding image files: upright, dark and light as a person sees them."""

import io
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.digits.pictures import normalising
from pipeline.digits.pictures.files import plain, raster
from pipeline.digits.pictures.files.decoding import decode
from pipeline.digits.pictures.files.limits import DecodeError, Limits, PerhapsHalf

PIXELS = 1_000_000
FILTERS = [
    cv2.IMWRITE_PNG_FILTER_NONE,
    cv2.IMWRITE_PNG_FILTER_SUB,
    cv2.IMWRITE_PNG_FILTER_UP,
    cv2.IMWRITE_PNG_FILTER_PAETH,
    cv2.IMWRITE_PNG_ALL_FILTERS,
]


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def field(picture: np.ndarray) -> np.ndarray:
    return normalising.normalise(picture).field


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_every_kind_of_png_is_the_same_digit(scan: np.ndarray, mode: str) -> None:
    picture = Image.fromarray((scan.astype(np.uint16) * 257) if mode == "I;16" else scan)
    picture = picture if mode == "I;16" else picture.convert(mode)

    decoded = decode(encoded(picture), maximum_pixels=PIXELS)

    assert decoded.shape == scan.shape
    assert np.abs(field(decoded).astype(int) - field(scan)).mean() < (9 if mode == "1" else 4)


def test_strokes_on_a_transparent_ground_are_ink() -> None:
    light = np.zeros((40, 40, 4), np.uint8)
    light[10:30, 18:22] = 255
    dark = light.copy()
    dark[..., :3] = 0

    fields = [field(decode(encoded(Image.fromarray(one)), maximum_pixels=PIXELS)) for one in (light, dark)]

    assert np.array_equal(fields[0], fields[1])
    assert fields[0].max() == 255


def test_too_many_pixels_are_refused_before_they_are_decoded(scan: np.ndarray) -> None:
    with pytest.raises(DecodeError, match="90x120 pixels, more than 10000"):
        decode(encoded(Image.fromarray(scan)), maximum_pixels=10_000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "quarters"), [(3, 2), (6, 1), (8, 3)])
def test_a_photo_is_turned_as_its_exif_says(scan: np.ndarray, kind: str, orientation: int, quarters: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(Image.fromarray(np.rot90(scan, quarters).copy()), kind, exif=exif)

    decoded = decode(stored, maximum_pixels=PIXELS)

    assert decoded.shape == scan.shape
    assert np.abs(decoded.astype(int) - scan).mean() < 3


def test_an_exif_that_cannot_be_read_loses_nothing(scan: np.ndarray) -> None:
    content = encoded(Image.fromarray(scan), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")

    assert decode(content, maximum_pixels=PIXELS).shape == scan.shape


def test_a_hot_pixel_in_a_deep_picture_does_not_hide_the_digit(scan: np.ndarray) -> None:
    deep = scan.astype(np.uint16) * 16
    deep[3, 4], deep[100, 80] = 65535, 65535

    decoded = decode(encoded(Image.fromarray(deep)), maximum_pixels=PIXELS)

    assert np.abs(field(decoded).astype(int) - field(scan)).mean() < 4


@pytest.mark.parametrize("opacity", [255, 100])
@pytest.mark.parametrize("colour", [0, 255])
def test_a_drawing_on_a_transparent_ground_is_read(scan: np.ndarray, colour: int, opacity: int) -> None:
    alpha = ((250 - scan.astype(float)) * opacity / 250).astype(np.uint8)
    drawing = np.dstack([np.full((*scan.shape, 3), colour, np.uint8), alpha])

    decoded = decode(encoded(Image.fromarray(drawing)), maximum_pixels=PIXELS)

    assert np.abs(field(decoded).astype(int) - field(scan)).mean() < 4


def test_the_white_of_an_eraser_is_paper(scan: np.ndarray) -> None:
    drawing = np.dstack([np.zeros((*scan.shape, 3), np.uint8), 250 - scan])
    drawing[:16], drawing[100:] = 255, 255

    decoded = decode(encoded(Image.fromarray(drawing)), maximum_pixels=PIXELS)

    assert np.abs(field(decoded).astype(int) - field(scan)).mean() < 4


@pytest.mark.parametrize("is_light_ink", [False, True])
def test_a_page_with_transparent_corners_keeps_its_colour(scan: np.ndarray, is_light_ink: bool) -> None:
    page = 255 - scan if is_light_ink else scan
    rgba = np.dstack([page, page, page, np.full_like(page, 255)])
    for corner in (np.s_[:12, :12], np.s_[-12:, -12:], np.s_[:, :3]):
        rgba[corner] = 0

    decoded = decode(encoded(Image.fromarray(rgba)), maximum_pixels=PIXELS)

    assert np.abs(field(decoded).astype(int) - field(scan)).mean() < 4


def test_a_picture_that_is_transparent_all_over_is_blank() -> None:
    assert normalising.normalise(decode(encoded(Image.new("RGBA", (40, 30))), maximum_pixels=PIXELS)).is_blank


def by_pillow(content: bytes, maximum_pixels: int) -> np.ndarray:
    (page,) = raster.pages(io.BytesIO(content), Limits(10**9, maximum_pixels, 1, 200))
    if isinstance(page, DecodeError):
        raise page
    return np.asarray(page.picture if isinstance(page, PerhapsHalf) else page)


def outcome(content: bytes, maximum_pixels: int) -> object:
    try:
        return by_pillow(content, maximum_pixels).tolist()
    except DecodeError:
        return None


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
    st.sampled_from(FILTERS),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=2),
    st.booleans(),
)
def test_a_plain_png_is_read_as_pillow_reads_it_whatever_is_wrong_with_it(
    width: int, height: int, seed: int, filters: int, changes: list[tuple[int, int]], is_mended: bool
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    whole = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_FILTER, filters])[1].tobytes()
    content = bytearray(whole)
    for place, value in changes:
        content[place % len(content)] = value
    if is_mended:  # so that more than the checksums stands in the way
        length = int.from_bytes(whole[33:37])
        content[41 + length : 45 + length] = zlib.crc32(content[37 : 41 + length]).to_bytes(4)
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)

    quick = plain.decode(bytes(content), Limits(10**9, PIXELS, 1, 200))

    assert quick is None or quick.tolist() == outcome(bytes(content), PIXELS)
    read = plain.decode(whole, Limits(10**9, PIXELS, 1, 200))
    assert read is not None
    assert read.tolist() == picture.tolist()


def test_a_plain_png_that_is_cut_short_is_refused(scan: np.ndarray) -> None:
    content = encoded(Image.fromarray(scan[::4, ::4]))
    end_of_pixels = content.index(b"IEND") - 16  # two checksums, a length

    for size in range(end_of_pixels):
        with pytest.raises(DecodeError):
            decode(content[:size], maximum_pixels=PIXELS)


def test_a_plain_png_keeps_the_bound_on_pixels(scan: np.ndarray) -> None:
    with pytest.raises(DecodeError, match="90x120 pixels, more than 100"):
        decode(encoded(Image.fromarray(scan)), maximum_pixels=100)
