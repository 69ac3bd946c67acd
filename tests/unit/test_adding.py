"""Copying labelled scans in: from folders, tables, and what labelling tools export."""

import errno
import json
import shutil
from pathlib import Path

import pytest

from pipeline import layout, params
from pipeline.errors import PipelineError
from pipeline.labelled import adding, labels, overview
from tests.conftest import ROOT, full_disk

SETTINGS = params.load(ROOT / "params.yaml").score


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def copied(name: str) -> dict[str, bytes]:
    place = layout.LABELLED / name
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def table(name: str) -> str:
    return labels.beside(layout.LABELLED / name).read_text(encoding="utf-8")


def test_folders_are_copied_as_they_are_and_what_has_no_label_stays(in_folder: Path) -> None:
    put(in_folder / "from", "7/a.png", "7/deep/a.png", "0/b.TIF", "x/c.png", "d.png", "7/.hidden.png", "7/about.txt")

    added = adding.add(Path("from"), "mine", SETTINGS)

    found = copied("mine")
    origin = json.loads(found.pop(adding.ORIGIN))
    assert found == {"7/a.png": b"7/a.png", "7/deep/a.png": b"7/deep/a.png", "0/b.TIF": b"0/b.TIF"}
    assert added.digits == [1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]
    assert origin["from"] == str(in_folder / "from")
    assert str(added).splitlines() == [
        "3 labelled scans copied into data/labelled/mine: 1 of 0, 2 of 7",
        "warning: 1 left: lies in no folder 0 to 9, and there is no labels.csv: d.png",
        "warning: 1 left: the folder x is no digit from 0 to 9: x/c.png",
    ]


def test_many_reasons_are_not_all_named(in_folder: Path) -> None:
    put(in_folder / "from", "1/a.png", *(f"x{number}/{letter}.png" for number in range(30) for letter in "ab"))

    lines = str(adding.add(Path("from"), "mine", SETTINGS)).splitlines()

    assert len(lines) == adding.MOST_REASONS + 2
    assert lines[1] == "warning: 2 left: the folder x0 is no digit from 0 to 9: x0/a.png, x0/b.png"
    assert lines[-1] == "warning: 40 more left, for other reasons"


def test_a_scan_that_cannot_be_read_copies_nothing(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(in_folder / "from", "1/a.png", "1/b.png")
    copy = shutil.copyfile

    def fail(source: bytes, target: Path) -> None:
        copy(source, target)
        if source.endswith(b"b.png"):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "copyfile", fail)

    with pytest.raises(PipelineError, match=r"^1/b\.png: Input/output error\. Nothing was copied; mend it and run again\.$"):
        adding.add(Path("from"), "mine", SETTINGS)
    assert list(layout.LABELLED.iterdir()) == []


def test_a_full_disk_copies_nothing(in_folder: Path) -> None:
    put(in_folder / "from", "1/a.png")
    (in_folder / "from/1/b.png").write_bytes(bytes(9000))

    with full_disk(), pytest.raises(PipelineError, match="data/labelled/mine: cannot write: File too large"):
        adding.add(Path("from"), "mine", SETTINGS)
    assert list(layout.LABELLED.iterdir()) == []


def test_a_table_is_copied_with_the_files_that_it_labels(in_folder: Path) -> None:
    put(in_folder / "from", "a.png", "in/b.tif", "c.png", "n\n.png")
    (in_folder / "from/truth.csv").write_text('label;page;file\n7;2;in/b.tif\n3;;a.png\nO;;c.png\n1;;gone.png\n4;;"n\n.png"\n')

    added = adding.add(Path("from/truth.csv"), "mine", SETTINGS)

    found = copied("mine")
    assert found.keys() == {"a.png", "in/b.tif", "n\n.png", adding.ORIGIN}
    assert table("mine") == 'file,label,page\na.png,3,\nin/b.tif,7,2\n"n\n.png",4,\n'
    assert dict(added.left) == {
        "gone.png": "named in truth.csv, but not there",
        "c.png": "the label 'O' is no digit from 0 to 9",
    }


CANCELLED = ["0"]


def label_studio(*tasks: tuple[str, list[list[str]]]) -> str:
    def annotation(choices: list[str]) -> dict[str, object]:
        chosen = {"from_name": "digit", "to_name": "image", "type": "choices", "value": {"choices": choices}}
        return {"id": 1, "was_cancelled": choices == CANCELLED, "result": [chosen]}

    return json.dumps(
        [{"id": 9, "data": {"image": image}, "annotations": list(map(annotation, each))} for image, each in tasks]
    )


def test_label_studios_export_is_read_however_it_names_files(in_folder: Path) -> None:
    put(in_folder / "from", "a 1.png", "in/b.png", "in/c.png", "in/d.png", "e.png", "e/twice.png", "f/twice.png")
    (in_folder / "from/export.json").write_text(
        label_studio(
            ("/data/upload/3/1f0c9a2b-a%201.png", [["1"]]),
            ("/data/local-files/?d=scans/in/b.png", [CANCELLED, ["2"]]),
            ("https://bucket.example/scans/in/c.png?token=x", [["3"], ["8"]]),
            ("in/d.png", [["4", "9"]]),
            ("s3://bucket/gone.png", [["5"]]),
            ("twice.png", [["6"]]),
        )
    )

    added = adding.add(Path("from"), "mine", SETTINGS)

    assert table("mine") == "file,label,page\na 1.png,1,\nin/b.png,2,\n"
    assert dict(added.left) == {
        "in/c.png": "export.json gives it two labels",
        "in/d.png": "the label '4, 9' is no digit from 0 to 9",
        **dict.fromkeys(("e.png", "e/twice.png", "f/twice.png"), "not in export.json"),
        "twice.png": "named in export.json, but not there",
        "s3://bucket/gone.png": "named in export.json, but not there",
    }


def test_the_short_form_of_label_studio_is_read(in_folder: Path) -> None:
    put(in_folder / "from", "a.png")
    (in_folder / "from/min.json").write_text(json.dumps([{"id": 1, "image": "/data/upload/1/0a1b2c3d-a.png", "choice": "6"}]))

    assert adding.add(Path("from/min.json"), "mine", SETTINGS).digits[6] == 1


def test_cvats_export_is_read_with_labels_or_attributes(in_folder: Path) -> None:
    put(in_folder / "from/images", "a.png", "b.png", "c.png")
    (in_folder / "from/annotations.xml").write_text(
        '<?xml version="1.0"?><annotations><version>1.1</version>'
        '<image id="0" name="a.png" width="9" height="9"><tag label="0" source="manual"></tag></image>'
        '<image id="1" name="b.png" width="9" height="9"><tag label="digit"><attribute name="value">5</attribute></tag></image>'
        '<image id="2" name="c.png" width="9" height="9"></image></annotations>'
    )

    added = adding.add(Path("from"), "mine", SETTINGS)

    assert table("mine") == "file,label,page\nimages/a.png,0,\nimages/b.png,5,\n"
    assert added.left == [("images/c.png", "not in annotations.xml")]


@pytest.mark.parametrize("content", ["", "[", "[" * 100_000, "{}x", "[1]", '[{"annotations": 3}]', "<annotations>", "<a/>"])
@pytest.mark.parametrize("name", ["export.json", "annotations.xml"])
def test_what_is_no_export_is_one_line_and_copies_nothing(in_folder: Path, name: str, content: str) -> None:
    put(in_folder / "from", "a.png")
    (in_folder / "from" / name).write_text(content)

    with pytest.raises(PipelineError) as raised:
        adding.add(Path("from"), "mine", SETTINGS)

    assert "\n" not in str(raised.value)
    assert not (layout.LABELLED / "mine").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a b", "x.dvc", "x.csv", "-a", "ä"])
def test_a_name_that_is_no_folders_is_refused(in_folder: Path, name: str) -> None:
    put(in_folder / "from", "7/a.png")

    with pytest.raises(PipelineError, match="no name for a folder of scans"):
        adding.add(Path("from"), name, SETTINGS)


@pytest.mark.parametrize("taken", ["mine/x", "mine.dvc"])
def test_nothing_is_overwritten(in_folder: Path, taken: str) -> None:
    put(in_folder / "from", "7/a.png")
    put(in_folder / layout.LABELLED, taken)

    with pytest.raises(PipelineError, match=r"exists already, and nothing is overwritten\. Name another: --as mine-2\."):
        adding.add(Path("from"), "mine", SETTINGS)


def test_a_folder_without_labels_says_what_is_needed(in_folder: Path) -> None:
    put(in_folder / "from", "a.png")

    with pytest.raises(
        PipelineError, match=r"from: no labelled scan: a\.png: lies in no folder 0 to 9.* a CSV with `file,label`"
    ):
        adding.add(Path("from"), "mine", SETTINGS)

    assert list(in_folder.iterdir()) == [in_folder / "from"]


def test_links_are_not_followed_and_that_is_said(in_folder: Path) -> None:
    put(in_folder / "elsewhere", "a.png")
    (in_folder / "from/7").mkdir(parents=True)
    (in_folder / "from/7/a.png").symlink_to(in_folder / "elsewhere/a.png")

    with pytest.raises(PipelineError, match="nor any picture, but 1 symbolic links, which are not followed"):
        adding.add(Path("from"), "mine", SETTINGS)


def test_what_is_there_is_counted_by_digit_with_where_it_came_from(in_folder: Path) -> None:
    put(in_folder / layout.LABELLED, "by-hand/3/a.png", "by-hand/3/b.png", "by-hand/x/c.png", "README.md")
    put(in_folder / "from", "7/a.png")
    adding.add(Path("from"), "mine", SETTINGS)

    by_hand, mine = overview.overview(SETTINGS)

    assert (by_hand.name, by_hand.digits, by_hand.learned, by_hand.origin) == ("by-hand", [0, 0, 0, 2, 0, 0, 0, 0, 0, 0], 0, "")
    assert (mine.name, sum(mine.digits), mine.origin) == ("mine", 1, str(in_folder / "from"))
    assert mine.added
