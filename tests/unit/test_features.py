"""The feature table: each number against a picture for which it is known."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.digits.pictures import features


def described(*images: np.ndarray, split: str = "train") -> pd.DataFrame:
    stack = np.stack(images)
    return features.image_features(stack, np.zeros(len(stack), np.uint8), split, [f"{split}/{i}" for i in range(len(stack))])


def blank() -> np.ndarray:
    return np.zeros((28, 28), np.uint8)


def test_a_bar_is_described_by_its_numbers() -> None:
    bar = blank()
    bar[4:24, 10:13] = 200

    row = described(bar).iloc[0]

    assert row["ink"] == pytest.approx(60 / 784)
    assert row["mean"] == pytest.approx(60 * 200 / 784)
    assert (row["minimum"], row["maximum"], row["border"]) == (0, 200, 0)
    assert (row["left"], row["top"], row["width"], row["height"]) == (10, 4, 3, 20)
    assert (row["centre_x"], row["centre_y"]) == (11, 13.5)
    assert (row["parts"], row["grey"]) == (1, 1)
    assert (row["slant"], row["asymmetry_x"], row["asymmetry_y"]) == pytest.approx((0, 0, 0), abs=1e-6)
    assert row["sha256"] == hashlib.sha256(bar.tobytes()).hexdigest()


def test_a_broader_stroke_is_wider() -> None:
    strokes = []
    for width in (2, 4, 6):
        bar = blank()
        bar[2:26, 8 : 8 + width] = 255
        strokes.append(bar)

    widths = described(*strokes)["stroke"].tolist()

    assert widths == sorted(widths)
    assert widths[2] - widths[1] == pytest.approx(2, abs=0.8)


def test_a_slanted_line_leans_to_the_right_and_its_mirror_image_to_the_left() -> None:
    line = np.fliplr(np.eye(28, dtype=np.uint8) * 255)

    slants = described(line, np.fliplr(line))["slant"].tolist()

    assert slants == pytest.approx([1, -1])


def test_a_tail_is_seen_on_its_side() -> None:
    ink = blank()
    ink[10:18, 4:8] = 255
    ink[13, 8:24] = 255

    rows = described(ink, ink[:, ::-1], ink.T, ink.T[::-1])

    assert rows["asymmetry_x"].tolist()[:2] == pytest.approx([rows["asymmetry_x"][0], -rows["asymmetry_x"][0]])
    assert rows["asymmetry_x"][0] > 0.5
    assert rows["asymmetry_y"][2] > 0.5
    assert rows["asymmetry_y"][3] < -0.5


def test_pieces_are_counted_image_by_image_up_to_the_border() -> None:
    one, two = blank(), blank()
    one[20:, :] = 255
    two[:3, :] = 255
    two[10:12, 5:7] = 255

    assert described(one, two, blank(), one)["parts"].tolist() == [1, 2, 0, 1]


@given(
    hnp.arrays(
        np.uint8, st.tuples(st.integers(0, 4), st.just(28), st.just(28)), elements=st.sampled_from([0, 1, 127, 128, 255])
    )
)
def test_any_image_has_finite_numbers(images: np.ndarray) -> None:
    table = features.image_features(images, np.zeros(len(images), np.uint8), "train", [str(i) for i in range(len(images))])

    assert len(table) == len(images)
    assert np.isfinite(table.select_dtypes("number").to_numpy(float)).all()
    assert set(features.SHAPE) <= set(table.columns)


def test_a_table_of_many_images_is_that_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    whole = described(*images)
    monkeypatch.setattr(features, "TOGETHER", 3)

    pd.testing.assert_frame_equal(described(*images), whole)


ROWS = st.lists(st.tuples(st.sampled_from(["train", "test"]), st.integers(0, 3), st.integers(0, 1)), max_size=9)


@given(ROWS)
def test_repetitions_are_those_that_a_look_at_every_pair_finds(rows: list[tuple[str, int, int]]) -> None:
    table = pd.DataFrame(rows, columns=["split", "sha256", "label"])
    table["name"] = [str(index) for index in range(len(rows))]
    table["minimum"], table["maximum"] = 0, table["sha256"].map(lambda pixels: 255 if pixels else 0)

    found = features.repetitions(table)

    for index, (split, pixels, label) in enumerate(rows):
        same = [i for i, row in enumerate(rows) if row[1] == pixels and pixels]
        before = [i for i in same if i < index]
        copies = [i for i in before if rows[i][0] == split]
        trained = [i for i in same if rows[i][0] == "train" and split != "train"]
        assert found["copy_of"][index] == (str(copies[0]) if copies else None)
        assert found["trained_as"][index] == (str(trained[0]) if trained else None)
        is_first = not before
        assert found["contradicts"][index] == (None if is_first or rows[before[0]][2] == label else str(before[0]))


def test_every_digit_of_every_split_has_a_share() -> None:
    table = pd.DataFrame({"split": ["train"] * 4 + ["test"], "label": [1, 1, 2, 10, 3]})

    shares = features.class_shares(table).set_index("name")["share"]

    assert len(shares) == 20
    assert shares[["train digit 1", "train digit 2", "train digit 0", "test digit 3"]].tolist() == [0.5, 0.25, 0, 1]
