"""Images as other hands, pens and scanners would have given them, and pictures that are no digit."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from pipeline import params
from pipeline.digits.field import centre_on_mass, fit_to_box
from pipeline.digits.network.learning.augmentation.epochs import draw_epochs
from pipeline.digits.network.learning.augmentation.european import european, with_crossbar, with_upstroke
from pipeline.digits.network.learning.augmentation.hands import (
    as_h,
    hands,
    mirrored,
    on_display,
    slender,
    with_short_stem,
    with_small_head,
)
from pipeline.digits.network.learning.augmentation.outliers import outliers
from pipeline.digits.network.learning.augmentation.pens import pens
from pipeline.digits.network.learning.augmentation.warp import warp
from pipeline.params.recipes import European, Form, Pens, Warp

SHIPPED = params.load(Path(__file__).parents[2] / "params.yaml").train.compact.augmentation
WARP = Warp(**dict.fromkeys(Warp.model_fields, 0.0))
PENS = Pens(**dict.fromkeys(Pens.model_fields, 0.0))
BOTH = European(upstroke_share=1, crossbar_share=1)
LABELS = load_digits().target[:1000].astype(np.uint8)


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """(1000, 28, 28) real digits, more than are stacked into one call."""
    pictures = (load_digits().images[:1000] * (255 / 16)).astype(np.uint8)
    return np.stack([centre_on_mass(fit_to_box(picture)) for picture in pictures])


def random(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def centres(images: np.ndarray) -> np.ndarray:
    """Give the centres of mass, (N, 2): row and column."""
    ink = images.astype(float)
    places = np.arange(28)
    return np.asarray(np.stack([ink.sum(axis=2) @ places, ink.sum(axis=1) @ places], axis=1) / ink.sum(axis=(1, 2))[:, None])


def test_warp_and_pens_by_nothing_change_nothing(digits: np.ndarray) -> None:
    assert np.array_equal(warp(digits, random(), WARP), digits)
    assert np.array_equal(pens(digits, random(), PENS), digits)
    assert np.array_equal(warp(digits, random(), SHIPPED.warp, strength=0), digits)
    assert np.array_equal(pens(digits, random(), SHIPPED.pens, strength=0), digits)


def test_the_images_given_stay_as_they_are(digits: np.ndarray) -> None:
    before = digits.copy()

    warp(digits, random(), SHIPPED.warp)
    pens(digits, random(), Pens(**dict.fromkeys(Pens.model_fields, 1.0)))
    european(digits, LABELS, random(), BOTH)
    outliers(digits, LABELS, 50, random())

    assert np.array_equal(digits, before)


def test_a_shift_moves_the_ink_by_so_much_at_most_and_never_into_the_next_image(digits: np.ndarray) -> None:
    moved = np.abs(centres(warp(digits, random(), WARP.model_copy(update={"shift_pixels": 2.0}))) - centres(digits))

    assert 1.8 < moved.max() < 2.1


def test_a_rotation_turns_a_bar_by_so_many_degrees_at_most() -> None:
    bars = np.zeros((500, 28, 28), np.uint8)
    bars[:, 13:15, 3:25] = 255

    turned = warp(bars, random(), WARP.model_copy(update={"rotation_degrees": 10.0}))

    moments = [cv2.moments(bar) for bar in turned]
    angles = [np.degrees(0.5 * np.arctan2(2 * m["mu11"], m["mu20"] - m["mu02"])) for m in moments]
    assert 9 < np.abs(angles).max() < 10.6


@pytest.mark.parametrize("change", ["slant", "scale", "aspect", "bend_pixels"])
def test_every_strength_of_the_warp_changes_the_form_and_keeps_the_digit(digits: np.ndarray, change: str) -> None:
    changed = warp(digits, random(), WARP.model_copy(update={change: getattr(SHIPPED.warp, change)}))

    alike = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in zip(changed, digits, strict=True)]
    assert (changed != digits).any(axis=(1, 2)).mean() > 0.9
    assert np.median(alike) > 0.8


@pytest.mark.parametrize(
    ("change", "ink"),
    [("thicken", 1), ("thin", -1), ("fade", -1), ("specks", 1), ("lines", 1), ("gaps", -1)],
)
def test_a_pen_or_a_scanner_gives_more_or_less_ink(digits: np.ndarray, change: str, ink: int) -> None:
    changed = pens(digits, random(), PENS.model_copy(update={change: 1.0}))

    assert np.sign(changed.mean() - digits.mean()) == ink
    assert (changed != digits).any(axis=(1, 2)).mean() > 0.5


def test_blur_takes_the_edges_and_a_hard_scan_makes_them(digits: np.ndarray) -> None:
    def edges(images: np.ndarray) -> float:
        return float(np.abs(np.diff(images.astype(int), axis=2)).mean())

    assert edges(pens(digits, random(), PENS.model_copy(update={"blur": 1.0}))) < 0.95 * edges(digits)
    assert edges(pens(digits, random(), PENS.model_copy(update={"harden": 1.0}))) > 1.05 * edges(digits)


def test_a_share_is_the_share_of_the_images_that_change(digits: np.ndarray) -> None:
    changed = pens(digits, random(), PENS.model_copy(update={"thicken": 0.3}), strength=0.5)

    assert (changed != digits).any(axis=(1, 2)).mean() == pytest.approx(0.15, abs=0.04)


def test_a_bare_one_gets_an_upstroke_and_a_round_digit_does_not() -> None:
    one, ring = np.zeros((2, 28, 28), np.uint8)
    one[4:24, 13:15] = 255
    cv2.circle(ring, (14, 14), 9, 255, 2)

    with_one = [with_upstroke(one, random(seed)) for seed in range(20)]

    assert sum(cv2.boundingRect(image)[2] >= 5 for image in with_one) >= 15
    assert all(max(cv2.boundingRect(image)[2:]) <= 20 for image in with_one)
    assert np.array_equal(with_upstroke(ring, random()), ring)


def test_a_seven_gets_a_bar_through_its_stem() -> None:
    seven = np.zeros((28, 28), np.uint8)
    seven[4:6, 7:20] = 255
    cv2.line(seven, (19, 5), (12, 23), 255, 2)

    barred = with_crossbar(seven, random())

    middle = slice(11, 18)
    assert (barred[middle] > 100).sum() > (seven[middle] > 100).sum() + 4


def test_only_ones_and_sevens_have_a_european_form(digits: np.ndarray) -> None:
    drawn = european(digits, LABELS, random(), BOTH)

    changed = (drawn != digits).any(axis=(1, 2))
    assert set(LABELS[changed]) <= {1, 7}
    assert changed[LABELS == 7].mean() > 0.3


def test_a_slender_digit_is_as_high_as_before_and_narrower(digits: np.ndarray) -> None:
    for seed, digit in enumerate(digits[LABELS == 0][:20]):
        squeezed = slender(digit, random(seed))

        (_, _, width, height), (_, _, before, as_high) = (
            cv2.boundingRect((one > 60).astype(np.uint8)) for one in (squeezed, digit)
        )
        assert height == as_high
        assert width < before


def test_a_small_head_moves_the_ink_of_a_seven_up(digits: np.ndarray) -> None:
    changed = np.stack([with_small_head(digit, random(3)) for digit in digits[LABELS == 7][:20]])

    widths = [(images[:, 8:14] > 60).any(axis=1).sum(axis=1).mean() for images in (changed, digits[LABELS == 7][:20])]
    assert widths[0] < widths[1]


def test_a_mirrored_nine_has_its_stem_at_the_left() -> None:
    nine = np.zeros((28, 28), np.uint8)
    cv2.circle(nine, (13, 9), 5, 255, 2)
    nine[9:24, 17:19] = 255

    stem = np.mean([np.flatnonzero(mirrored(nine, random(seed))[18:22].max(axis=0) > 60).mean() for seed in range(20)])

    assert stem < 12


def test_the_stem_of_an_open_four_is_shortened_from_above_and_a_closed_one_stays() -> None:
    four = np.zeros((28, 28), np.uint8)
    four[4:15, 8:10], four[13:15, 8:20], four[4:24, 16:18] = 255, 255, 255
    closed = four.copy()
    closed[4:6, 8:18] = 255

    short = with_short_stem(four, random())

    rows = np.flatnonzero(short[:, 16:18].any(axis=1))
    assert rows[0] >= 8
    assert rows[-1] == 23
    assert np.array_equal(short[:, :16], four[:, :16])
    assert np.array_equal(with_short_stem(closed, random()), closed)
    assert not with_short_stem(np.zeros((28, 28), np.uint8), random()).any()


def test_a_four_as_an_h_has_its_bar_low_and_a_short_stem_across_it() -> None:
    drawn = np.stack([as_h(np.zeros((28, 28), np.uint8), random(seed)) for seed in range(50)]) > 60

    bar = drawn.sum(axis=2).argmax(axis=1)
    runs = (np.diff(drawn[:, 12].astype(int), prepend=0) == 1).sum(axis=1)
    assert 16 <= np.median(bar) <= 22
    assert all(max(cv2.boundingRect(image.astype(np.uint8))[2:]) <= 20 for image in drawn)
    assert np.median(runs) >= 1


def test_a_display_lights_the_segments_of_its_digit() -> None:
    ink = [np.mean([on_display(digit, random(seed)).mean() for seed in range(40)]) for digit in range(10)]

    assert ink[1] < ink[7] < ink[2]
    assert np.argmax(ink) in (0, 6, 8)


def test_so_many_digits_get_another_form_and_no_others(digits: np.ndarray) -> None:
    forms: dict[Form, float] = {"mirrored_nines": 0.2, "short_fours": 0.2}

    changed = (hands(digits, LABELS, random(), forms, strength=2) != digits).any(axis=(1, 2))

    assert set(LABELS[changed]) <= {4, 9}
    assert changed[LABELS == 9].mean() == pytest.approx(0.4, abs=0.12)


def test_pictures_that_are_no_digit_look_as_the_normaliser_hands_them_on(digits: np.ndarray) -> None:
    drawn = outliers(digits, LABELS, 200, random())

    assert drawn.shape == (200, 28, 28)
    assert drawn.dtype == np.uint8
    assert all(0 < max(cv2.boundingRect((picture > 40).astype(np.uint8))[2:]) <= 20 for picture in drawn)
    assert len({picture.tobytes() for picture in drawn}) > 190
    assert outliers(digits, LABELS, 0, random()).shape == (0, 28, 28)


def test_an_epoch_holds_every_digit_as_often_and_outliers_for_the_rest(digits: np.ndarray) -> None:
    ((images, targets),) = draw_epochs(
        digits[:90], LABELS[:90], SHIPPED.model_copy(update={"outlier_share": 0.1}), size=200, epochs=1, seed=1
    )

    is_digit = targets.max(axis=1) == 1
    assert images.shape == (200, 28, 28)
    assert images.dtype == np.uint8
    assert targets.dtype == np.float32
    assert (~is_digit).sum() == 20
    assert np.allclose(targets[~is_digit], 0.1)
    assert np.allclose(targets[is_digit].sum(axis=0), 2 * np.bincount(LABELS[:90]))


def test_epochs_are_given_by_their_seed_and_differ_from_each_other(digits: np.ndarray) -> None:
    def draw(seed: int) -> list[bytes]:
        epochs = draw_epochs(digits[:90], LABELS[:90], SHIPPED, size=100, epochs=2, seed=seed)
        return [images.tobytes() + targets.tobytes() for images, targets in epochs]

    assert draw(1) == draw(1)
    assert len({*draw(1), *draw(2)}) == 4


@pytest.mark.parametrize("count", [1, 3, 40])
def test_own_scans_are_their_share_of_every_epoch_whatever_their_number_and_are_distorted_too(
    digits: np.ndarray, count: int
) -> None:
    others, own = LABELS[:90] != 3, np.flatnonzero(LABELS == 3)[:count]
    epochs = draw_epochs(
        digits[:90][others],
        LABELS[:90][others],
        SHIPPED.model_copy(update={"outlier_share": 0.0}),
        size=200,
        epochs=2,
        seed=1,
        own=(digits[own], LABELS[own]),
        own_share=0.25,
    )

    for images, targets in epochs:
        is_own = targets[:, 3] == 1
        assert is_own.sum() == 50
        assert len({image.tobytes() for image in images[is_own]}) > 40


def test_without_own_scans_the_same_is_drawn(digits: np.ndarray) -> None:
    def draw(**own: Any) -> list[bytes]:
        epochs = draw_epochs(digits[:90], LABELS[:90], SHIPPED, size=100, epochs=2, seed=1, **own)
        return [images.tobytes() + targets.tobytes() for images, targets in epochs]

    assert draw() == draw(own=(digits[:0], LABELS[:0]), own_share=0.25)


def test_the_late_epochs_are_distorted_less(digits: np.ndarray) -> None:
    late = SHIPPED.model_copy(update={"outlier_share": 0, "european_share": 0, "late_epochs": 1, "late_strength": 0})
    _, (images, _) = draw_epochs(digits[:90], LABELS[:90], late, size=90, epochs=2, seed=1)

    assert {image.tobytes() for image in images} == {image.tobytes() for image in digits[:90]}
