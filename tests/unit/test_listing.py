"""Which files are taken for pictures, and in what order."""

import inspect
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.listing import Listing, list_folder
from tests.conftest import too_deep

SUFFIXES = [".png", ".jpg"]


def listed(folder: Path, out: Path | None = None) -> Listing:
    return list_folder(folder, SUFFIXES, leave_out=out or folder / "scores")


def paths(listing: Listing) -> list[bytes]:
    return list(listing.paths)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_pictures_stand_in_the_byte_order_of_their_whole_paths(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.png", "a.png", "a-b.png", "a/a/z.png", "B.png", "é.png", "z.png")

    assert paths(listed(tmp_path)) == sorted(paths(listed(tmp_path)))
    assert paths(listed(tmp_path))[:3] == [b"B.png", b"a-b.png", b"a.png"]


def test_a_suffix_counts_in_any_case_and_other_files_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.PNG", "b.jPg", "notes.txt", "Thumbs.db", ".DS_Store", ".hidden.png", "png", ".cache/c.png")

    listing = listed(tmp_path)

    assert paths(listing) == [b"a.PNG", b"b.jPg"]
    assert listing.ignored == 6


def test_pictures_of_another_kind_are_told_from_other_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.HEIC", "c.pdf", "d.svg", "e.dng", "f.gif", "notes.txt", "sub/g.heic", ".h.heic")

    listing = listed(tmp_path)

    assert listing.unread_pictures == [b"b.HEIC", b"c.pdf", b"d.svg"]
    assert listing.unread_by_suffix == {".dng": 1, ".gif": 1, ".heic": 2, ".pdf": 1, ".svg": 1}
    assert listing.unread_words == "pictures of a kind that is not read: b.HEIC, c.pdf, d.svg and 3 more (6 in all)"
    assert listing.ignored == 2


def test_a_suffix_that_was_asked_for_is_read_whatever_it_is(tmp_path: Path) -> None:
    touch(tmp_path, "a.scan", "b.png")

    listing = list_folder(tmp_path, [".scan"], leave_out=tmp_path / "scores")

    assert (paths(listing), listing.unread_pictures) == ([b"a.scan"], [b"b.png"])


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    too_deep(tmp_path)

    listing = listed(tmp_path)

    assert paths(listing) == [b"a.png"]
    assert len(listing.unreadable_folders) == 1
    assert listing.unreadable_words.startswith("folders that could not be read: deepdeep")
    assert listing.unreadable_words.endswith(": File name too long")


def test_folders_may_be_nested_deeper_than_python_calls_itself(tmp_path: Path) -> None:
    touch(tmp_path, f"{'d/' * 300}a.png")
    usual = sys.getrecursionlimit()

    sys.setrecursionlimit(len(inspect.stack(0)) + 150)
    try:
        images = paths(listed(tmp_path))
    finally:
        sys.setrecursionlimit(usual)

    assert images == [b"d/" * 300 + b"a.png"]


def test_no_symbolic_link_is_followed(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "elsewhere/b.png")
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "batch" / "folder").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "batch" / "loop").symlink_to(tmp_path / "batch")

    listing = listed(tmp_path / "batch")

    assert (paths(listing), listing.symbolic_links) == ([], 3)


def test_the_output_inside_the_folder_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "scores/thumbnail.png")

    assert paths(listed(tmp_path)) == [b"a.png"]


def test_names_that_are_no_utf_8_are_listed(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb"):  # noqa: PTH123 - a Path holds no such name
        pass

    assert paths(listed(tmp_path)) == [b"\xff.png"]


@pytest.mark.parametrize("change", ["add", "remove", "touch", "grow"])
def test_the_fingerprint_changes_with_the_pictures(tmp_path: Path, change: str) -> None:
    touch(tmp_path, "a.png", "b.png")
    before = listed(tmp_path).sha256

    if change == "add":
        touch(tmp_path, "c.png")
    elif change == "remove":
        (tmp_path / "b.png").unlink()
    elif change == "touch":
        os.utime(tmp_path / "a.png", ns=(1, 1))
    else:
        (tmp_path / "a.png").write_bytes(b"x")

    assert listed(tmp_path).sha256 != before


def test_the_fingerprint_leaves_other_files_alone(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    before = listed(tmp_path).sha256
    touch(tmp_path, "notes.txt")

    assert listed(tmp_path).sha256 == before


@given(st.lists(st.lists(st.sampled_from(["a", "b", "a.", "a-", "A", "ä", "0"]), min_size=1, max_size=3), max_size=12))
def test_any_tree_comes_in_byte_order(tmp_path_factory: pytest.TempPathFactory, tree: list[list[str]]) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for parts in tree:
        touch(folder, "/".join([*(f"{part}_" for part in parts[:-1]), f"{parts[-1]}.png"]))

    images = paths(listed(folder))

    assert images == sorted(images)
    assert len(images) == len({tuple(parts) for parts in tree})
