"""What people are shown of a row: a line of JSON with the field and a small picture."""

import base64
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.digits.pictures.normalising import normalise
from pipeline.reports import batch as report
from pipeline.reports import thumbnails

VALUES = ("a.png", "1", "7", "0.9000", "1", "0.0500", "review", "low confidence", "v1.0.0")


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))


def test_a_line_holds_the_row_the_field_and_the_picture(scan: np.ndarray) -> None:
    field = normalise(scan).field
    small = cv2.resize(scan, (42, 56), interpolation=cv2.INTER_AREA)

    line = json.loads(report.line(VALUES, field.tobytes(), thumbnails.encoded(small, field.tobytes())))

    assert line[:8] == ["a.png", 1, *VALUES[2:8]]
    assert base64.b64decode(line[8]) == field.tobytes()
    picture = decoded(base64.b64decode(line[9]))
    assert picture.shape == (56, 42)
    assert np.abs(picture.astype(int) - small).mean() < 5


@pytest.mark.parametrize(("change", "mark"), [(0, thumbnails.SAME), (255, thumbnails.NEGATIVE)])
def test_a_picture_that_is_as_the_network_saw_it_is_not_written_twice(scan: np.ndarray, change: int, mark: bytes) -> None:
    field = normalise(scan).field

    content = thumbnails.encoded(np.bitwise_xor(field, np.uint8(change)), field.tobytes())

    assert content == mark
    assert json.loads(report.line(VALUES, field.tobytes(), content))[9] == mark.decode()


def test_a_small_picture_keeps_every_pixel(scan: np.ndarray) -> None:
    small = np.asarray(cv2.resize(scan, (18, 24), interpolation=cv2.INTER_AREA), np.uint8)

    assert (decoded(thumbnails.encoded(small, b"")) == small).all()


def test_a_large_picture_is_shrunk_in_proportion_and_what_is_none_has_none(scan: np.ndarray) -> None:
    shrunk = thumbnails.shrunk(np.zeros((300, 100), np.uint8), 56)

    assert shrunk is not None
    assert shrunk.shape == (56, 18)
    assert thumbnails.shrunk(scan, 0) is None
    assert thumbnails.shrunk("a reason", 56) is None


def test_a_picture_of_nothing_but_noise_weighs_no_more_than_others() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (56, 56)).astype(np.uint8)

    content = thumbnails.encoded(noise, b"")

    assert decoded(content).shape == (28, 28)
    assert len(content) <= thumbnails.MOST_BYTES


@given(st.text(), st.text())
def test_no_name_and_no_reason_ends_the_line_or_the_page(file: str, reason: str) -> None:
    file, reason = (text.encode("utf-8", "ignore").decode() for text in (file, reason))

    line = report.line((file, "1", "", "", "", "", "error", reason), b"", b"", [reason])

    assert line.count(b"\n") == 1
    assert b"<" not in line
    assert (json.loads(line)[0], json.loads(line)[7], json.loads(line)[10]) == (file, reason, [reason])
