"""What a person sees of a run of scoring."""

import io
import sys
from collections import Counter

import pytest

from pipeline import console
from pipeline.scoring.run import Progress


def progress(done: int, began_at: int = 0) -> Progress:
    return Progress(1000, done, began_at, Counter(ok=done - began_at - 3, review=2, error=1))


def test_a_line_says_how_far_it_is_how_fast_and_how_long_it_takes() -> None:
    assert console.words(progress(300), 10) == "300 of 1000 files, 30 images/s, 23 s left: 297 ok, 2 review, 1 error"
    assert (
        console.words(progress(500, began_at=400), 10) == "500 of 1000 files, 10 images/s, 50 s left: 97 ok, 2 review, 1 error"
    )


def test_a_line_comes_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])  # type: ignore[attr-defined]
    tell = console.ticker(lines.append)
    for seconds in (1, 9, 10, 11, 19, 21, 35):
        now[0] = 100.0 + seconds
        tell(progress(10 * seconds))

    assert [line.split()[0] for line in lines] == ["100", "210", "350"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")

    with console.progress() as tell:
        tell(progress(300))
        tell(progress(1000))

    assert "1000/1000" in terminal.getvalue()
    assert "997 ok, 2 review, 1 error" in terminal.getvalue()


def test_where_there_is_no_terminal_nothing_is_said_of_a_short_run(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress() as tell:
        tell(progress(1000))

    assert capsys.readouterr() == ("", "")
