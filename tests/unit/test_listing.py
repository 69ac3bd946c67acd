"""Which files are taken for pictures, and in what order."""

import inspect
import os
import socket
import stat
import sys
import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.scoring import listing as listings
from pipeline.scoring.listing import Listing, list_folder, list_paths
from tests.conftest import full_disk, too_deep

SUFFIXES = [".png", ".jpg"]


def listed(folder: Path, out: Path | None = None) -> Listing:
    return list_folder(folder, SUFFIXES, leave_out=out or folder / "scores")


def paths(listing: Listing) -> list[bytes]:
    return [path for path, *_ in listing]


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
def test_an_entry_changes_with_its_picture(tmp_path: Path, change: str) -> None:
    touch(tmp_path, "a.png", "b.png")
    before = list(listed(tmp_path))

    if change == "add":
        touch(tmp_path, "c.png")
    elif change == "remove":
        (tmp_path / "b.png").unlink()
    elif change == "touch":
        os.utime(tmp_path / "a.png", ns=(1, 1))
    else:
        (tmp_path / "a.png").write_bytes(b"x")

    assert list(listed(tmp_path)) != before


def test_other_files_change_no_entry(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    before = list(listed(tmp_path))
    touch(tmp_path, "notes.txt")

    assert list(listed(tmp_path)) == before


@given(st.lists(st.lists(st.sampled_from(["a", "b", "a.", "a-", "A", "ä", "0"]), min_size=1, max_size=3), max_size=12))
def test_any_tree_comes_in_byte_order(tmp_path_factory: pytest.TempPathFactory, tree: list[list[str]]) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for parts in tree:
        touch(folder, "/".join([*(f"{part}_" for part in parts[:-1]), f"{parts[-1]}.png"]))

    images = paths(listed(folder))

    assert images == sorted(images)
    assert len(images) == len({tuple(parts) for parts in tree})


def test_names_are_told_apart_by_every_byte_and_numbers_are_no_numbers(tmp_path: Path) -> None:
    accents = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    names = ["1.png", "2.png", "10.png", "A.png", "a.png", f"{'x' * 251}.png", *accents]
    touch(tmp_path, *names)

    listing = paths(listed(tmp_path))

    assert listing == sorted(map(os.fsencode, names))
    assert listing[:3] == [b"1.png", b"10.png", b"2.png"]


def test_what_is_no_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.png")
    with suppress(PermissionError):  # of root alone
        os.mknod("null.png", stat.S_IFCHR | 0o666, os.makedev(1, 3))

    listing = listed(tmp_path)

    assert (listing.count, listing.ignored) == (0, len(list(tmp_path.iterdir())))
    assert listing.ignored >= 2


def test_the_shadow_files_of_macos_are_ignored(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "__MACOSX/a.png", "._a.png")

    assert (paths(listed(tmp_path)), listed(tmp_path).ignored) == ([b"a.png"], 2)


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir/a.png",
        "#recycle",
        "$RECYCLE.BIN/S-1-5",
        "$Recycle.Bin",
        ".Trash-1000/files",
        "lost+found",
        "System Volume Information",
    ],
)
def test_what_a_system_keeps_on_a_share_is_ignored_at_any_depth(tmp_path: Path, folder: str) -> None:
    touch(tmp_path, "a.png", "sub/a.png", "recycle/a.png", f"{folder}/SYNOFILE_THUMB_M.png", f"sub/{folder}/a.png")

    assert paths(listed(tmp_path)) == [b"a.png", b"recycle/a.png", b"sub/a.png"]
    assert listed(tmp_path).ignored == 2


def test_other_content_of_the_same_size_and_time_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    status, before = (tmp_path / "a.png").stat(), list(listed(tmp_path))

    (tmp_path / "b").write_bytes(b"two")
    os.utime(tmp_path / "b", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "b").replace(tmp_path / "a.png")

    assert (tmp_path / "a.png").stat().st_mtime_ns == status.st_mtime_ns
    assert list(listed(tmp_path)) != before


@pytest.mark.parametrize("size", [0, 7, 2**33 + 1])
def test_an_entry_holds_size_and_times_of_its_file(tmp_path: Path, size: int) -> None:
    file = tmp_path / "a 1.png"
    file.touch()
    os.truncate(file, size)
    os.utime(file, ns=(1, 1_234_567_890_123_456_789))

    assert list(listed(tmp_path)) == [(b"a 1.png", size, 1_234_567_890_123_456_789, file.stat().st_ctime_ns)]


@given(
    st.lists(st.lists(st.sampled_from([b"a", b"b\n", b"\r", b"\\", b"\xff", b"0"]), min_size=1, max_size=3).map(b"".join)),
    st.integers(1, 5),
)
def test_a_list_of_any_size_comes_in_byte_order_and_names_each_path_once(paths: list[bytes], in_memory: int) -> None:
    listing = Listing()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listings, "IN_MEMORY", in_memory)
        listing.fill(listings._looked_up(b"nowhere", paths))

    assert list(listing) == list(listing) == [(path, 0, 0, 0) for path in sorted(set(paths))]
    assert listing.count == len(set(paths))


def test_a_list_may_begin_with_the_mark_of_utf_8(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png\r\n\ufeffb.png\n", encoding="utf-8-sig", newline="")

    assert paths(list_paths(tmp_path / "list.txt")) == [b"a.png", "\ufeffb.png".encode()]


@pytest.mark.parametrize(
    ("content", "words"), [(b"\x89PNG\r\n\x1a\n\0\0\0\r", "not a text file"), (None, "No such file or directory")]
)
def test_a_list_that_is_none_is_one_clear_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "list").write_bytes(content)

    with pytest.raises(PipelineError, match=rf"list: {words}\. Name a folder, or a text file with one path a line"):
        list_paths(tmp_path / "list")


def test_without_room_for_a_long_listing_one_clear_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "IN_MEMORY", 100)

    with full_disk(), pytest.raises(PipelineError, match=r"cannot write the listing: .*Make room.*TMPDIR"):
        Listing().fill([(b"%0100d" % (start + number), 0, 0, 0) for number in range(100)] for start in range(0, 100_000, 100))
