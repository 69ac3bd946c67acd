"""What people are shown of the rows: a line of JSON for each, and which of them when there are too many."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.digits.pictures.normalising import normalise
from pipeline.scoring import sheet
from pipeline.scoring.reuse import Rows
from pipeline.scoring.row import Row, csv_lines
from pipeline.scoring.shard import Reading


def row(file: str, status: str = "ok", confidence: str = "0.9000", reason: str = "") -> Row:
    return Row(file, 1, "7", confidence, "1", "0.0500", status, reason, "v1.0.0")


def decoded(text: str) -> np.ndarray:
    content = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_UNCHANGED))


def test_a_line_holds_the_row_the_field_and_the_picture(scan: np.ndarray) -> None:
    glyph = normalise(scan)
    small = cv2.resize(scan, (42, 56), interpolation=cv2.INTER_AREA)

    line = json.loads(sheet.line(row("a.png", "review", reason="low confidence"), Reading(0, 1, glyph, small)))

    assert line[:8] == ["a.png", 1, "7", "0.9000", "1", "0.0500", "review", "low confidence"]
    assert base64.b64decode(line[8]) == glyph.field.tobytes()
    assert decoded(line[9]).shape == (56, 42)
    assert np.abs(decoded(line[9]).astype(int) - small).mean() < 5


@pytest.mark.parametrize(("change", "mark"), [(lambda field: field, sheet.SAME), (lambda field: 255 - field, sheet.NEGATIVE)])
def test_a_picture_that_is_as_the_network_saw_it_is_not_written_twice(scan: np.ndarray, change: object, mark: str) -> None:
    glyph = normalise(scan)

    line = json.loads(sheet.line(row("a.png"), Reading(0, 1, glyph, change(glyph.field))))  # type: ignore[operator]

    assert line[9] == mark


def test_a_small_picture_keeps_every_pixel(scan: np.ndarray) -> None:
    small = cv2.resize(scan, (18, 24), interpolation=cv2.INTER_AREA)

    line = json.loads(sheet.line(row("a.png"), Reading(0, 1, normalise(scan), small)))

    assert (decoded(line[9]) == small).all()


def test_a_picture_of_nothing_but_noise_weighs_no_more_than_others(scan: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (56, 56)).astype(np.uint8)

    line = json.loads(sheet.line(row("a.png"), Reading(0, 1, normalise(scan), noise)))

    assert decoded(line[9]).shape == (28, 28)
    assert len(line[9]) <= sheet.MOST_BYTES * 4 / 3 + 4


@given(st.text(), st.text())
def test_no_name_and_no_reason_ends_the_line_or_the_page(file: str, reason: str) -> None:
    file, reason = (text.encode("utf-8", "ignore").decode() for text in (file, reason))

    line = sheet.line(row(file, "error", "", reason))

    assert line.count(b"\n") == 1
    assert b"<" not in line
    assert (json.loads(line)[0], json.loads(line)[7]) == (file, reason)


def write(folder: Path, rows: list[Row]) -> list[Path]:
    (folder / "a.sheet").write_bytes(b"".join(sheet.line(one) for one in rows))
    return [folder / "a.sheet"]


def test_of_too_many_rows_the_least_confident_are_shown_and_others_at_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet, "MOST", 20)
    monkeypatch.setattr(sheet, "MOST_DOUBTFUL", 10)
    doubtful = [row(f"{number:03}.png", "review", f"0.{number:04}") for number in range(100, 130)]
    sure = [row(f"{number:03}.png", "ok", "1.0000") for number in range(200, 900)]

    shown = [json.loads(line) for line in sheet.choose(write(tmp_path, [*sure, *doubtful]), 730)]

    assert [line[0] for line in shown if line[6] == "review"] == [f"{number}.png" for number in range(100, 110)]
    others = [int(line[0][:3]) for line in shown if line[6] == "ok"]
    assert len(others) == 10
    assert min(others) < 400 < 700 < max(others)


def test_all_rows_are_shown_where_they_are_few(tmp_path: Path) -> None:
    rows = [row("b.png"), row("a.png", "review"), row("c.png", "error", "")]

    content = b"".join(sheet.choose(write(tmp_path, rows), 3))

    assert [json.loads(line)[0] for line in content.splitlines()] == ["b.png", "a.png", "c.png"]


def test_every_doubtful_row_is_shown_and_a_share_of_the_others() -> None:
    names = [f"{number}.png".encode() for number in range(4000)]

    assert all(sheet.is_shown(name, status, 0.1) for name in names for status in ("review", "error"))
    assert 300 < sum(sheet.is_shown(name, "ok", 0.1) for name in names) < 500


@pytest.mark.parametrize("name", ["a.png", 'a"b.png', "a,b.png", "a\nb.png", "'=1.png", "é<.png"])
def test_rows_that_were_scored_before_find_their_line_whatever_their_name(name: str) -> None:
    line = sheet.line(row(name))
    known = [Rows(b"", csv_lines([row(name).values]).encode()), Rows(b"", csv_lines([row("other.png").values]).encode())]

    found = list(sheet.with_sheet_lines(known, [line], 2))

    assert [one.shown for one in found] == [line]  # the other has none, and is to be scored again


def test_of_more_rows_than_are_shown_only_those_that_would_be_are_scored_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MOST", 20)
    rows = [row(f"{number}.png", "review" if number < 5 else "ok") for number in range(400)]
    known = [Rows(b"", csv_lines([one.values]).encode()) for one in rows]

    without = list(sheet.with_sheet_lines(known, [], 400))
    having = list(sheet.with_sheet_lines(known, [sheet.line(rows[0])], 400))

    assert 350 < len(without) < 395
    assert all(b",ok," in one.text for one in without)
    assert len(having) == 400
