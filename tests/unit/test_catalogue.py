"""What is shown of models, whoever registered them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import git, layout
from pipeline.registry import catalogue
from pipeline.registry.versions import Reign, Version

DAY = datetime(2026, 11, 26, 12, tzinfo=UTC)


def version(**metrics: Any) -> Version:
    return Version("v1.0.0", "a" * 40, DAY, "tester", True, {"dataset": "mnist", "test_set": "x", **metrics}, None)


def reign(because: str) -> Reign:
    return Reign("v1.0.0", DAY, None, "tester", "hand", because)


def test_a_metric_that_is_no_number_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    catalogue.show_models([version(accuracy=0.5, worst_accuracy="low", ece=None)], [])

    (line,) = (line for line in capsys.readouterr().out.splitlines() if "v1.0.0" in line)
    assert [cell.strip() for cell in line.split("│")[5:8]] == ["0.5000", "unknown", "unknown"]


def test_a_line_is_never_broken_and_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    because = "[red]" + "as long as it takes " * 20 + "\x1b[31m"

    catalogue.show_models([version(accuracy=0.5)], [reign(because)])
    catalogue.show_history([reign(because)])

    lines = [line for line in capsys.readouterr().out.splitlines() if "v1.0.0" in line]
    assert len(lines) == 2
    for line in lines:
        assert "[red]as long as it takes " in line
        assert r"\x1b[31m" in line


@pytest.mark.parametrize(("other", "is_compared"), [("abc", True), ("def", False)])
def test_figures_of_own_scans_are_compared_on_the_same_scans_alone(
    other: str, is_compared: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slices = json.dumps({"plain": {"accuracy": 1, "review": 0}, "own scans": {"accuracy": 1, "review": 0}})
    monkeypatch.setattr(git, "show", lambda commit, path: slices if path == layout.SLICES else None)
    one = version(accuracy=0.5, own_accuracy=0.75, own_test_set="abc")

    catalogue.show_comparison(one, version(accuracy=0.5, own_accuracy=0.875, own_test_set=other))

    said = capsys.readouterr().out
    assert ("+0.125" in said) == is_compared
    assert ("own scans: accuracy" in said) == is_compared
    assert "plain: accuracy" in said
    assert ("different own scans: figures of these cannot be compared" in said) != is_compared


def test_nothing_in_a_tag_reaches_the_terminal_as_a_command(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J"
    files = {layout.SLICES: json.dumps({evil: {"accuracy": 1, "review": 0}})}
    monkeypatch.setattr(git, "show", lambda commit, path: files.get(path))
    monkeypatch.setattr(catalogue, "parameters_of", lambda text: {evil: evil})
    shown = replace(version(accuracy=0.5, **{evil: evil}), registered_by=evil, verdict={"words": f"{evil}\n{evil}"})

    catalogue.show_model(shown, [reign(evil)])
    catalogue.show_models([shown], [reign(evil)])
    catalogue.show_history([reign(evil)])
    catalogue.show_comparison(shown, replace(shown, metrics={**shown.metrics, "test_set": evil}))

    assert set(capsys.readouterr().out) & {"\x1b", "\x07"} == set()


def test_a_version_that_comes_back_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = reign("a"), Reign("v1.1.0", DAY, DAY, "tester", "gate", "b")

    catalogue.show_history([first, second, reign("c")])

    marked = [line.split("│")[4].strip() for line in capsys.readouterr().out.splitlines() if "│ v1." in line]
    assert marked == ["by hand", "by gate", "by hand, back"]
