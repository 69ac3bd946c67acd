"""Labels that a person settled go into the table of a folder; no other byte of it changes."""

from pathlib import Path

import pytest

from pipeline import layout, params
from pipeline.labelled import editing, labels
from tests.conftest import ROOT

SETTINGS = params.load(ROOT / "params.yaml").score
PAGES = {b"a.png": 1, b"b.png": 1, b"many.tif": 3, b"'=x.png": 1, "ü, \n.png".encode(): 1}


def changed(table: bytes, changes: dict[tuple[bytes, int], str], folder: Path) -> bytes:
    folder.mkdir(exist_ok=True)
    (folder / labels.FILE).write_bytes(table)
    assert editing.change(folder, changes, PAGES, SETTINGS) == folder / labels.FILE
    return (folder / labels.FILE).read_bytes()


@pytest.mark.parametrize(
    ("table", "changes", "expected"),
    [
        (b"file,label\na.png,3\nb.png,4\n", {(b"a.png", 1): "8"}, b"file,label\na.png,8\nb.png,4\n"),
        (b"file,label\na.png,3\nb.png,4", {(b"b.png", 1): "none"}, b"file,label\na.png,3\nb.png,none\n"),
        (
            b"\xef\xbb\xbfLabel;File\r\n3; b \r\n\r\n4;a.png\r\n",
            {(b"a.png", 1): "8"},
            b"\xef\xbb\xbfLabel;File\r\n3; b \r\n\r\n8;a.png\r\n",
        ),
        (
            b'file,who,label\n"a.png","me, and you",3\n"b.png","x",4\n',
            {(b"b.png", 1): "1"},
            b'file,who,label\n"a.png","me, and you",3\nb.png,x,1\n',
        ),
        (
            'file,label\n"ü, \n.png",3\nb.png,4\n'.encode(),
            {("ü, \n.png".encode(), 1): "5"},
            'file,label\n"ü, \n.png",5\nb.png,4\n'.encode(),
        ),
        (b"file,label\n''=x.png,3\n", {(b"'=x.png", 1): "5"}, b"file,label\n''=x.png,5\n"),
        (
            b"page,file,label\n1,many.tif,3\n2,many.tif,4\n",
            {(b"many.tif", 2): "5"},
            b"page,file,label\n1,many.tif,3\n2,many.tif,5\n",
        ),
        (b"file,label\nmany.tif,3\n", {(b"many.tif", 2): "5"}, b"file,label,page\nmany.tif,3\nmany.tif,5,2\n"),
    ],
)
def test_only_lines_that_change_are_written_anew(
    table: bytes, changes: dict[tuple[bytes, int], str], expected: bytes, tmp_path: Path
) -> None:
    found = changed(table, changes, tmp_path / "scans")

    assert found == expected
    written = labels.read(tmp_path / "scans", PAGES)
    assert {place: labels.parsed(label) for place, label in changes.items()}.items() <= {
        place: written.of(*place) for place in changes
    }.items()


def test_a_folder_whose_folders_are_the_labels_gets_a_table_of_all(tmp_path: Path) -> None:
    paths = (b"3/a.png", b"7/b.png", b"none/c.png", b"other/d.png")

    for path in paths:
        (tmp_path / path.decode()).parent.mkdir(exist_ok=True)
        (tmp_path / path.decode()).touch()

    table = editing.change(tmp_path, {(b"3/a.png", 1): "8"}, {b"3/a.png": 1}, SETTINGS)

    assert table.read_text() == "file,label,page\n3/a.png,8,\n7/b.png,7,\nnone/c.png,none,\n"
    assert labels.read(tmp_path, paths).of(b"7/b.png", 1) == 7


def test_the_table_of_a_folder_that_dvc_keeps_moves_beside_it(in_folder: Path) -> None:
    folder = in_folder / layout.LABELLED / "forms"
    folder.mkdir(parents=True)
    (folder / labels.FILE).write_text("file,label\na.png,3\nb.png,4\n")

    table = editing.change(layout.LABELLED / "forms", {(b"a.png", 1): "8"}, PAGES, SETTINGS)

    assert table == layout.LABELLED / "forms.csv"
    assert table.read_text() == "file,label\na.png,8\nb.png,4\n"
    assert not (folder / labels.FILE).exists()
    again = editing.change(layout.LABELLED / "forms", {(b"b.png", 1): "1"}, PAGES, SETTINGS)
    assert again.read_text() == "file,label\na.png,8\nb.png,1\n"
