"""The command line, in the process of the test."""

import sys
from pathlib import Path

import pytest

from pipeline import cli

ROOT = Path(__file__).parents[2]
COMMANDS = [str(getattr(command.callback, "__name__", "")) for command in cli.app.registered_commands]
ARGUMENTS = {"promote": ["v1.0.0"], "score": ["."], "sample": ["new"]}


def digits(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """Run a command and give what it exits with."""
    monkeypatch.setattr(sys, "argv", ["digits", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_outside_the_root_every_command_says_so_in_the_same_line(
    command: str, in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert digits(monkeypatch, command, *ARGUMENTS.get(command, [])) == 1

    assert capsys.readouterr().err == (
        f"error: {in_folder}: not the project's root, it has no params.yaml and no dvc.yaml. "
        "Run this in the project's root folder.\n"
    )
    assert list(in_folder.iterdir()) == []


def test_a_sub_folder_is_not_the_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT / "data")

    assert digits(monkeypatch, "models") == 1
    assert capsys.readouterr().err.startswith(f"error: {ROOT / 'data'}: not the project's root")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_given_anywhere(command: str, in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert digits(monkeypatch, command, "--help") == 0
