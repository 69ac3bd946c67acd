"""The command line, in the process of the test."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from pipeline import cli, command

ROOT = Path(__file__).parents[2]
COMMANDS = [str(getattr(command.callback, "__name__", "")) for command in cli.app.registered_commands]
OF_BATCHES = {name: ["batch"] for name in ("review", "certify", "export", "learn")}
ARGUMENTS = {"promote": ["v1.0.0"], "score": ["."], "sample": ["new"], "compare": ["v1.0.0", "v1.1.0"], **OF_BATCHES}


def digits(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """Run a command and give what it exits with."""
    monkeypatch.setattr(sys, "argv", ["digits", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_outside_a_project_every_command_says_so_in_the_same_line(
    command: str, in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert digits(monkeypatch, command, *ARGUMENTS.get(command, [])) == 1

    assert capsys.readouterr().err == (
        f"error: {in_folder}: no project, here or in a folder above: none has a params.yaml and a dvc.yaml. "
        "Go to the folder that you cloned the project into, and run this again.\n"
    )
    assert list(in_folder.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_given_anywhere_in_words_and_with_an_example(
    command: str, in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    assert digits(monkeypatch, command, "--help") == 0

    said = capsys.readouterr().out
    assert f"Example: digits {command}" in said
    assert "--quiet" in said
    assert not set("<{") & set(re.sub(r"\[[^]]*\]", "", said))
    assert max(map(len, said.splitlines())) <= 80


def test_the_commands_stand_in_groups_and_score_first(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert digits(monkeypatch, "--help") == 0

    said = capsys.readouterr().out
    first = [re.findall(r"─ ([A-Z][a-z ]+) ─|^│ (\w+) ", line) for line in said.splitlines()]
    assert [name for found in first for one in found for name in one if name][:3] == ["Options", "Every day", "score"]
    assert all(group in said for group in cli.COMMANDS)
    assert "<bool>" not in said


def test_the_version_is_that_of_the_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert digits(monkeypatch, "--version") == 0
    assert re.fullmatch(r"digit-pipeline \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_below_the_root_a_command_works_in_the_root_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT / "docs/images")

    assert digits(monkeypatch, "score", "../no-such-folder") == 2

    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert f"in {ROOT} " in said
    assert "docs/images/../no-such-folder does not exist" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-folder"], "does not exist"),
        (["-"], "name a folder where the paths come from standard input"),
        (["docs/images/batch-report.png"], "batch-report.png is a picture: name its folder"),
        (["docs", "--allow", "7-3"], "'7-3': name digits"),
        (["docs", "--allow", "0-5,"], "'0-5,': name digits"),
        (["docs", "--allow", "10"], "'10': name digits"),
        (["docs", "--confidence", "1.5"], "--confidence"),
        (["docs", "--workers", "0"], "--workers"),
        (["docs", "--out", "README.md"], "is a file"),
    ],
)
def test_bad_usage_of_score_exits_2(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "200")

    assert digits(monkeypatch, "score", *arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "allowed"), [("0-9", range(10)), ("0-5", range(6)), ("7", [7]), ("0, 1,7-8", [0, 1, 7, 8]), ("3-3,1", [1, 3])]
)
def test_digits_and_ranges_of_them_can_be_allowed(text: str, allowed: Iterable[int]) -> None:
    assert command.digits_in(text) == tuple(allowed)


def test_the_help_of_score_names_every_column(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from pipeline.scoring.row import COLUMNS

    assert digits(monkeypatch, "score", "--help") == 0

    text = " ".join(capsys.readouterr().out.split())
    assert all(column in text for column in (*COLUMNS, "p0 to p9"))
