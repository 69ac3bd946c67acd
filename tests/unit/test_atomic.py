"""Files that are whole or not there."""

from pathlib import Path

import pytest

from pipeline import atomic
from pipeline.errors import PipelineError


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    with pytest.raises(ZeroDivisionError), atomic.replacing(target) as temporary:
        temporary.write_text("half of the n")
        raise ZeroDivisionError

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()

    with atomic.replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()

    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_what_the_system_refuses_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a folder")

    with pytest.raises(PipelineError, match=r"file/inside: cannot write: .+\. Make room"):
        atomic.write_text(tmp_path / "file" / "inside", "text")


def test_a_folder_that_cannot_be_filled_is_said_of_the_target(tmp_path: Path) -> None:
    with (
        pytest.raises(PipelineError, match=r"folder: cannot write: .+\. Make room"),
        atomic.replacing(tmp_path / "folder") as temporary,
    ):
        (temporary / "file").write_text("its folder was not made")


@pytest.mark.parametrize("source", ["missing", "folder"])
def test_what_cannot_be_read_while_something_is_written_keeps_its_own_words(tmp_path: Path, source: str) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(OSError, match=source) as raised, atomic.replacing(tmp_path / "target") as temporary:
        temporary.write_bytes((tmp_path / source).read_bytes())

    assert raised.type in (FileNotFoundError, IsADirectoryError)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "file").write_text("old")

    with pytest.raises(PipelineError, match="cannot write"), atomic.replacing(target):
        pass  # nothing is there to take its place

    assert [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*"))] == [Path("folder"), Path("folder/file")]
