"""What a command says, and the width it has for that."""

import io
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline import terminal
from pipeline.registry import catalogue
from pipeline.registry.remotes import tags
from pipeline.registry.versions import Reign, Version

DAY = datetime(2026, 11, 26, 12, tzinfo=UTC)
BECAUSE = "more right answers: of 10000 test images it alone reads 19 right, v1.0.0 alone 9 (McNemar's exact test: p = 0.0872)"
METRICS = {"dataset": "mnist", "test_set": "x", "accuracy": 0.9968, "worst_accuracy": 0.9845, "worst_slice": "rotated_right"}
ONE = Version("v1.12.0", "a" * 40, DAY, "Ada Lovelace", True, METRICS, None)
REIGNS = [Reign("v1.12.0", DAY, None, "Ada Lovelace", "gate", BECAUSE)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        """Give what a person reads, without its styles."""
        return re.sub("\x1b\\[[0-9;]*m", "", self.getvalue())


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the function that makes standard output a terminal so many columns wide, and gives what is written to it."""

    def make(columns: int) -> Terminal:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "stdout", found := Terminal())
        return found

    return make


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_of_the_registry_fit_and_cut_nothing(columns: int, at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "commit_of", lambda _: "")
    shown = at(columns)

    catalogue.show_models([ONE], REIGNS, ["digit-cnn@v1.12.0"])
    catalogue.show_history(REIGNS)
    catalogue.show_comparison(ONE, replace(ONE, version="v1.13.0", metrics={**METRICS, "accuracy": 0.9958}))

    lines = shown.text.splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in shown.text
    for word in ("v1.12.0", "champion", "2026-11-26", "0.9968", "0.9845", "rotated_right", "by gate", "today"):
        assert word in shown.text


def test_at_80_columns_a_model_takes_one_line_and_the_rest_is_named(at: Any) -> None:
    shown = at(80)

    catalogue.show_models([ONE], REIGNS)

    (line,) = (line for line in shown.text.splitlines() if "v1.12.0" in line)
    cells = [cell.strip() for cell in line.split("│")[1:-1]]
    assert cells == ["v1.12.0", "champion", "2026-11-26", "0.9968", "0.9845 rotated_right"]
    told = " ".join(shown.text.split())
    assert told.endswith("In 130 columns, or by `digits models VERSION`: dataset, calibration error, promoted")


def test_at_130_columns_all_of_a_model_is_shown(at: Any) -> None:
    shown = at(130)

    catalogue.show_models([ONE], REIGNS)

    assert all(heading in shown.text for heading in ("dataset", "calibration error", "promoted"))


def test_without_a_terminal_no_line_is_broken_whatever_width_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")

    catalogue.show_models([ONE], REIGNS)
    catalogue.show_history(REIGNS)
    terminal.lay(BECAUSE * 3)

    said = capsys.readouterr().out
    assert said.count(BECAUSE) == 5


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_sentence_is_broken_between_words_and_a_path_is_not(columns: int, at: Any) -> None:
    shown = at(columns)

    terminal.lay(f"  {BECAUSE}", "data/scores/" + "a" * 150)

    *lines, path = shown.text.splitlines()
    assert max(map(len, lines)) <= columns
    assert " ".join(" ".join(lines).split()) == BECAUSE
    assert path == "data/scores/" + "a" * 150


def test_quiet_leaves_out_what_was_done_and_keeps_warnings_and_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "is_quiet", True)

    terminal.out("did it")
    terminal.say("doing it")
    terminal.say("warning: look")
    terminal.table(("name",), [("asked for",)])

    said = capsys.readouterr()
    assert "asked for" in said.out
    assert "did it" not in said.out
    assert said.err == "warning: look\n"


def test_of_what_a_quiet_stage_prints_only_warnings_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for quiet in (False, True):
        monkeypatch.setattr(terminal, "is_quiet", quiet)
        with terminal.hushed():
            print("epoch 1 of 8\nwarning: look")

    assert capsys.readouterr() == ("epoch 1 of 8\nwarning: look\n", "warning: look\n")
