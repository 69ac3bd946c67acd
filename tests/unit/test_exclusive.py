"""Locks that keep a second process out."""

import errno
import os
from pathlib import Path

import pytest

from pipeline import exclusive
from pipeline.errors import PipelineError


def test_who_comes_second_is_told_so_and_who_comes_later_is_let_in(tmp_path: Path) -> None:
    with (
        exclusive.held(tmp_path / "lock", "busy"),
        pytest.raises(PipelineError, match="busy"),
        exclusive.held(tmp_path / "lock", "busy"),
    ):
        pass

    with exclusive.held(tmp_path / "lock", "busy"):
        pass


def test_a_file_system_without_locks_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)

    with (
        pytest.raises(PipelineError, match=r"lock: cannot be locked: No locks available\. Name a folder on a file system"),
        exclusive.held(tmp_path / "lock", "busy"),
    ):
        pass


def test_a_lock_is_awaited_for_a_time(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        exclusive.held(tmp_path / "lock", "busy"),
        pytest.raises(PipelineError, match=r"^another has not ended\. Wait for it"),
        exclusive.awaited(tmp_path / "lock", said.append, "another", 0.2),
    ):
        pass

    assert said == ["waiting for another"]
