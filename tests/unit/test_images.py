"""Normalising pictures: the same digit, whatever paper, pen, light and frame it comes with."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bench import marks, pages
from pipeline.digits.network import slices
from pipeline.digits.pictures import normalising, trust
from pipeline.digits.pictures.files import decoding
from pipeline.quality import readings


def field(picture: np.ndarray) -> np.ndarray:
    return normalising.normalise(picture).field


def test_a_normalised_picture_is_what_the_network_was_trained_on(scan: np.ndarray) -> None:
    glyph = normalising.normalise(scan)

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


@st.composite
def small_pictures(draw: st.DrawFn) -> np.ndarray:
    """Ink in a box somewhere in a field of 28x28, on either ground."""
    height, width = draw(st.integers(0, 28) | st.just(20)), draw(st.integers(1, 28) | st.just(19))
    top, left = draw(st.integers(0, 28 - height) | st.just(4)), draw(st.integers(0, 28 - width) | st.just(4))
    picture = np.zeros((28, 28), np.uint8)
    window = picture[top : top + height, left : left + width]
    window[:] = draw(arrays(np.uint8, window.shape, elements=st.sampled_from([0, 1, 200, 255]), fill=st.just(255)))
    return 255 - picture if draw(st.booleans()) else picture


@given(st.lists(small_pictures(), max_size=8))
def test_many_pictures_that_pass_unchanged_are_found_as_each_of_them_is(pictures: list[np.ndarray]) -> None:
    for picture, glyph in zip(pictures, normalising.unchanged(pictures), strict=True):
        is_like = normalising.is_mnist_like(picture) or normalising.is_mnist_like(255 - picture)

        assert (glyph is not None) == is_like
        if glyph:
            expected = normalising.normalise(picture)
            assert np.array_equal(glyph.field, expected.field)
            assert glyph[1:] == expected[1:]


def test_a_speck_is_left_out(scan: np.ndarray) -> None:
    dirty = scan.copy()
    dirty[100:103, 80:83] = 0

    assert np.array_equal(field(dirty), field(scan))


def test_a_picture_four_times_the_size_is_the_same_digit(scan: np.ndarray) -> None:
    large = cv2.resize(scan, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)

    assert apart(large, scan) < NEAR


@pytest.mark.parametrize("value", [0, 7, 128, 255])
def test_a_picture_of_one_colour_is_blank(value: int) -> None:
    assert normalising.normalise(np.full((40, 30), value, np.uint8)).is_blank


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40)), st.integers(1, 12))
def test_any_picture_at_all_is_normalised(picture: np.ndarray, scale: int) -> None:
    large = np.kron(picture, np.ones((scale, scale), np.uint8))
    glyph = normalising.normalise(large)

    assert glyph.field.shape == (28, 28)
    assert glyph.field.dtype == np.uint8
    assert glyph.is_blank == (not glyph.field.any())


@pytest.mark.parametrize("size", [28, 60, 300, 1000])
def test_one_hot_pixel_is_no_digit(size: int) -> None:
    picture = np.full((size, size), 250, np.uint8)
    picture[size // 3, size // 2] = 0

    assert normalising.normalise(picture).is_blank


# Two prints of a digit are nearer than any two digits: `test_no_other_digit_is_as_near` holds it to that.
NEAR = 9


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Give the mean distance of two fields, 0 to 255."""
    return float(np.abs(field(one).astype(int) - field(other)).mean())


@pytest.mark.parametrize("polarity", [0, 255])
def test_a_picture_made_like_mnist_passes_unchanged(scan: np.ndarray, polarity: int) -> None:
    once = field(scan)

    assert np.array_equal(field(once ^ np.uint8(polarity)), once)


def test_the_test_set_is_evaluated_by_way_of_the_normaliser(scan: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    digit = field(scan)

    (glyph,) = readings.as_scanned(digit[np.newaxis, ..., np.newaxis], slices.plain, 1)
    np.testing.assert_array_equal(glyph.field, digit)
    monkeypatch.setattr(normalising, "normalise", lambda _: normalising.BLANK)
    assert readings.as_scanned(digit[np.newaxis, ..., np.newaxis], slices.plain, 1) == [normalising.BLANK]


@pytest.fixture(scope="module")
def large(scan: np.ndarray) -> np.ndarray:
    """The same digit in crisp strokes, at four times the size: 480x360, paper 250, ink 30."""
    smooth = cv2.resize(scan, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC).astype(float)
    return np.asarray(np.clip(140 + (smooth - 90) * 4, 30, 250), np.uint8)


def test_no_other_digit_is_as_near(scan: np.ndarray, large: np.ndarray, others: np.ndarray) -> None:
    for picture in (scan, large):
        assert np.abs(others - field(picture)).mean(axis=(1, 2)).min() > NEAR


@pytest.mark.parametrize("sides", ["top", "top left", "top bottom left right"])
@pytest.mark.parametrize("share", [0.02, 0.06, 0.1])
def test_the_lid_of_the_scanner_is_left_out(large: np.ndarray, sides: str, share: float) -> None:
    breadth = int(share * len(large))
    page = np.pad(large, breadth, constant_values=250)
    for quarters, side in enumerate(("top", "right", "bottom", "left")):
        if side in sides:
            np.rot90(page, quarters)[:breadth] = 20

    assert apart(page, large) < NEAR


def test_the_box_of_a_form_is_left_out(large: np.ndarray) -> None:
    for inset in (0, 6, 12):
        page = np.pad(large, 24, constant_values=250)
        cv2.rectangle(page, (inset, inset), (page.shape[1] - 1 - inset, page.shape[0] - 1 - inset), 60, 4)

        assert apart(page, large) < NEAR


@pytest.mark.parametrize("share", [0.4, 0.55, 0.7])
def test_a_ruled_line_is_left_out(large: np.ndarray, share: float) -> None:
    page = large.copy()
    page[int(share * len(page)) :][:3] = 80

    assert apart(page, large) < NEAR


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_lines_as_dark_as_the_pen_that_cross_the_digit_both_ways_are_left_out(lines: int) -> None:
    page = np.full((260, 260), 250, np.uint8)
    cv2.putText(page, "3", (90, 180), cv2.FONT_HERSHEY_SIMPLEX, 5, 30, 12, cv2.LINE_AA)
    clean = field(page)
    for place in np.linspace(110, 230, lines).astype(int):
        page[place : place + 3], page[:, place : place + 3] = 30, 30

    glyph = normalising.normalise(page)

    assert trust.oddity(glyph) == ""
    assert np.corrcoef(glyph.field.ravel(), clean.ravel())[0, 1] > 0.8


def test_a_hole_beside_the_digit_is_left_out(large: np.ndarray) -> None:
    page = np.pad(large, ((0, 0), (90, 0)), constant_values=250)
    cv2.circle(page, (40, 120), 30, 30, -1)

    assert apart(page, large) < NEAR


@pytest.mark.parametrize("depth", [0.3, 0.6])
def test_light_that_falls_off_is_no_ink(large: np.ndarray, depth: float) -> None:
    slope = 1 - depth * np.linspace(0, 1, large.shape[1]) ** 1.5

    assert apart((large * slope).astype(np.uint8), large) < NEAR


def test_the_edge_of_a_shadow_is_no_ink(large: np.ndarray, others: np.ndarray) -> None:
    shade = 1 - 0.5 / (1 + np.exp((200 - np.arange(len(large))[:, np.newaxis]) / 6))

    shaded = (large * shade).astype(np.uint8)
    assert apart(shaded, large) < np.abs(others - field(shaded)).mean(axis=(1, 2)).min()


def test_a_broad_digit_cut_to_its_ink_in_uneven_light_is_whole(large: np.ndarray) -> None:
    left, top, width, height = cv2.boundingRect((large < 128).astype(np.uint8))
    tight = large[top : top + height, left : left + width]
    slope = 1 - 0.4 * np.linspace(0, 1, tight.shape[0])[:, np.newaxis]

    assert apart((tight * slope).astype(np.uint8), large) < NEAR


def test_dark_paper_and_chalk_are_read_alike(large: np.ndarray) -> None:
    photo = (25 + large.astype(float) * (115 - 25) / 255).astype(np.uint8)
    chalk = (240 - large.astype(float) * (240 - 140) / 255).astype(np.uint8)

    assert apart(photo, large) < NEAR
    assert apart(chalk, large) < NEAR


def test_a_small_digit_on_a_large_page_is_looked_at_again(scan: np.ndarray) -> None:
    page = np.full((2400, 1700), 250, np.uint8)
    page[900:1020, 700:790] = scan

    assert apart(page, scan) < NEAR


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 2), (3, 900)])
def test_pictures_of_extreme_shapes_are_normalised(shape: tuple[int, int]) -> None:
    for seed in range(5):
        picture = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)

        assert normalising.normalise(picture).field.shape == (28, 28)


def test_a_page_with_nothing_but_light_or_noise_on_it_is_blank() -> None:
    y, x = np.mgrid[0:1:300j, 0:1:220j]
    random = np.random.default_rng(3)
    for depth in (0, 0.3, 0.6):
        page = 220 * (1 - depth * np.hypot(x - 0.4, y - 0.5)) + random.normal(0, 4, x.shape)

        assert normalising.normalise(np.clip(page, 0, 255).astype(np.uint8)).is_blank


@pytest.fixture(scope="module")
def three() -> np.ndarray:
    """A field as MNIST's are, with strokes of the usual breadth."""
    page = np.full((100, 100), 255, np.uint8)
    cv2.putText(page, "3", (30, 75), cv2.FONT_HERSHEY_SIMPLEX, 2.4, 0, 7, cv2.LINE_AA)
    return field(page)


@pytest.mark.parametrize("kind", pages.NO_DIGIT)
def test_a_page_without_a_digit_is_not_taken_for_one(kind: str, three: np.ndarray) -> None:
    random = np.random.default_rng(11)
    odd = [trust.oddity(normalising.normalise(pages.NO_DIGIT[kind](three, random))) for _ in range(30)]

    assert odd.count("") <= 2  # the network doubts most of those


@pytest.mark.parametrize("kind", pages.DIGITS)
def test_a_digit_is_found_on_any_page(kind: str, three: np.ndarray) -> None:
    random = np.random.default_rng(11)
    for _ in range(5):
        page = cv2.imencode(".png", pages.DIGITS[kind](three, random))[1].tobytes()
        glyph = normalising.normalise(decoding.decode(page, maximum_pixels=10**7))

        assert trust.oddity(glyph) == ""
        assert np.corrcoef(glyph.field.ravel(), three.ravel())[0, 1] > 0.7


@pytest.mark.parametrize("quarters", range(4))
def test_the_strokes_that_run_out_of_the_picture_are_counted(quarters: int) -> None:
    three = np.full((300, 300), 250, np.uint8)
    cv2.putText(three, "3", (90, 220), cv2.FONT_HERSHEY_SIMPLEX, 6, 20, 14, cv2.LINE_AA)
    left, top, width, height = cv2.boundingRect((three < 128).astype(np.uint8))
    stem, along = np.full((200, 200), 250, np.uint8), np.full((100, 100), 250, np.uint8)
    cv2.polylines(along, [np.array([[2, 30], [2, 70], [35, 50], [50, 20]])], False, 20, 6, cv2.LINE_AA)
    cv2.polylines(stem, [np.array([[60, 60], [140, 64], [90, 230]])], False, 20, 12, cv2.LINE_AA)

    def cuts(picture: np.ndarray) -> int:
        return normalising.normalise(np.ascontiguousarray(np.rot90(picture, quarters))).cuts

    assert cuts(three) == 0
    assert cuts(stem) == 1
    assert cuts(three[: top + height * 3 // 4]) == 2
    assert cuts(three[:, left + width // 2 :]) == 3
    assert cuts(along) == 2


def test_a_cut_out_that_fits_closely_is_not_cut_off(large: np.ndarray) -> None:
    left, top, width, height = cv2.boundingRect((large < 128).astype(np.uint8))

    assert normalising.normalise(large[top : top + height, left : left + width]).cuts == 0


@pytest.mark.parametrize("kind", ["in a box of its own", "underlined", "in one bit, dithered", "a dot after it"])
def test_what_is_around_a_digit_is_left_out(kind: str, three: np.ndarray) -> None:
    random = np.random.default_rng(7)
    alike = []
    for _ in range(12):
        picture, label = marks.KINDS[kind](three[np.newaxis], np.array([3]), random)
        glyph = normalising.normalise(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
        alike.append(np.corrcoef(glyph.field.ravel(), three.ravel())[0, 1])

    assert label == 3
    assert np.median(alike) > 0.7


@pytest.mark.parametrize(("kind", "reason"), [("two stacked", "several digits"), ("an empty box", "blank")])
def test_what_shows_no_digit_or_two_is_said_so(kind: str, reason: str, three: np.ndarray) -> None:
    random = np.random.default_rng(7)
    drawn = [marks.KINDS[kind](three[np.newaxis], np.array([3]), random) for _ in range(24)]

    odd = [trust.oddity(normalising.normalise(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))) for picture, _ in drawn]
    assert {label for _, label in drawn} == {-1}
    assert odd.count(reason) >= 20
    assert odd.count("") <= 1


def test_most_scans_in_one_bit_are_read(three: np.ndarray) -> None:
    random = np.random.default_rng(7)
    scans = [marks.KINDS["in one bit, dithered"](three[np.newaxis], np.array([3]), random)[0][..., 0] for _ in range(20)]

    odd = [trust.oddity(normalising.normalise(np.ascontiguousarray(scan))) for scan in scans]

    assert odd.count("") > 10


def test_what_is_left_of_an_empty_box_whose_sides_are_near_the_border_is_no_1() -> None:
    box = np.full((200, 140), 245, np.uint8)
    cv2.rectangle(box, (32, 8), (129, 191), 40, 5)

    assert normalising.normalise(box).is_blank


def test_a_dot_below_a_digit_is_told_from_one_after_it() -> None:
    page = np.full((260, 260), 250, np.uint8)
    cv2.putText(page, "7", (90, 160), cv2.FONT_HERSHEY_SIMPLEX, 4, 30, 10, cv2.LINE_AA)
    below, after = page.copy(), page.copy()
    cv2.circle(below, (115, 190), 9, 30, -1)
    cv2.circle(after, (190, 155), 9, 30, -1)

    assert normalising.normalise(below).is_dotted
    assert not normalising.normalise(after).is_dotted


def test_the_foot_of_a_digit_is_no_line_under_it(large: np.ndarray) -> None:
    left, top, width, height = cv2.boundingRect((large < 128).astype(np.uint8))
    foot, line = (np.pad(large, ((0, 40), (0, 60)), constant_values=250) for _ in range(2))
    foot[top + height + 6 :][:8, left : left + width] = 30
    line[top + height + height // 6 :][:8, left : left + width] = 30

    assert normalising.normalise(foot).parts == 2
    assert normalising.normalise(line).parts == 1
    assert apart(line, large) < NEAR


def test_a_pattern_that_is_printed_on_the_paper_is_no_ink() -> None:
    page = np.full((48, 40), 230, np.uint8)
    cv2.putText(page, "3", (10, 38), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 70, 3, cv2.LINE_AA)
    y, x = np.mgrid[:48, :40]
    lines = 60 * (np.cos((y + 0.3 * x) * 2 * np.pi / 3.5) > 0.7)
    printed = np.minimum(page, 230 - lines).astype(np.uint8)

    glyph, clean = normalising.normalise(printed), normalising.normalise(page)

    assert glyph.parts == 1
    assert np.abs(glyph.field.astype(int) - clean.field).mean() < NEAR


def test_ink_all_over_a_picture_is_not_blank_whatever_it_shows() -> None:
    for side in (28, 40, 120):
        noise = np.random.default_rng(3).integers(0, 2, (side, side), np.uint8) * 255

        glyph = normalising.normalise(noise)

        assert not glyph.is_blank
        assert trust.oddity(glyph)
        assert glyph.field.any()


@pytest.mark.parametrize("shape", [(90, 120), (360, 480)])
def test_ink_that_is_hardly_darker_than_the_paper_is_too_faint(scan: np.ndarray, shape: tuple[int, int]) -> None:
    page = cv2.resize(scan, shape, interpolation=cv2.INTER_CUBIC)
    faint = 240 - cv2.convertScaleAbs(255 - page, alpha=9 / 255)

    assert normalising.normalise(faint).is_faint
    assert not normalising.normalise(page).is_faint


def test_ink_that_touches_every_edge_is_normalised() -> None:
    cross = np.full((200, 150), 240, np.uint8)
    cross[90:110], cross[:, 65:85] = 20, 20

    assert normalising.normalise(cross).field.shape == (28, 28)


@pytest.mark.parametrize("shape", [(20, 2068), (2068, 20), (1, 3000), (3000, 1), (2, 9000)])
def test_a_very_narrow_picture_is_normalised_like_any(shape: tuple[int, int]) -> None:
    for seed in range(40):
        random = np.random.default_rng(seed)
        blocks = random.choice([0, 90, 250], (1 + shape[0] // 10, 1 + shape[1] // 10)).astype(np.uint8)
        picture = np.kron(blocks, np.ones((10, 10), np.uint8))[: shape[0], : shape[1]]

        assert normalising.normalise(picture).field.shape == (28, 28)
