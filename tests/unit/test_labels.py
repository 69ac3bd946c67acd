"""What labels say of scans: folders of digits, and tables as people and programs write them."""

import codecs
from pathlib import Path

import pytest

from pipeline.datasets.own import LABEL_OF_NONE
from pipeline.errors import PipelineError
from pipeline.labelled import labels

PATHS = [b"a.png", b"b.png", b"in/c.tif", b"\xe9.png", b"=x.png"]


def found(folder: Path, table: str | bytes, page: int = 1) -> tuple[dict[str, int | str], list[tuple[str, str]]]:
    """Give the label of the first page of each file that has one, and what is wrong with the table."""
    (folder / labels.FILE).write_bytes(table.encode() if isinstance(table, str) else table)
    written = labels.read(folder, PATHS)
    each = {path.decode("latin-1"): written.of(path, page) for path in PATHS}
    return {path: label for path, label in each.items() if label != "not in labels.csv"}, written.wrong


@pytest.mark.parametrize(
    "table",
    [
        "file,label\na.png,7\nb.png,0\n",
        "label,file\n7,a.png\n0,b.png\n",
        "file;label\na.png;7\nb.png;0\n",
        "file\tlabel\na.png\t7\nb.png\t0\n",
        "file,label\r\na.png,7\r\nb.png,0\r\n",
        codecs.BOM_UTF8 + b"file,label\na.png,7\nb.png,0\n",
        " File ,LABEL,who\na.png, 7,Ada\nb.png,0.0,Bob\n",
        "file,label\na.png,7.0\n\nb.png,0\na.png,7\n",
        'file,label,page\n"a.png",7,\nb.png,0,1\n',
    ],
)
def test_a_table_means_the_same_however_it_is_written(tmp_path: Path, table: str | bytes) -> None:
    assert found(tmp_path, table) == ({"a.png": 7, "b.png": 0}, [])


@pytest.mark.parametrize("label", ["O", "", "10", "-1", "7.5", "٧", "７", "seven", "7 7"])  # noqa: RUF001 - other scripts' sevens
def test_what_is_no_digit_from_0_to_9_is_named(tmp_path: Path, label: str) -> None:
    (of_a,) = found(tmp_path, f"file,label\na.png,{label}\n")[0].values()

    assert of_a == f"the label {label!r} is no digit from 0 to 9"


@pytest.mark.parametrize("label", ["none", " None", "NONE"])
def test_none_is_the_label_of_what_shows_no_digit_in_tables_and_of_folders(tmp_path: Path, label: str) -> None:
    assert found(tmp_path, f"file,label\na.png,{label}\n")[0] == {"a.png": LABEL_OF_NONE}
    (tmp_path / labels.FILE).unlink()
    assert labels.read(tmp_path, [b"none/a.png"]).of(b"none/a.png", 1) == LABEL_OF_NONE


def test_a_file_under_two_labels_has_none_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    of, wrong = found(tmp_path, "file,label\na.png,7\na.png,1\na.png,7\ngone\n.png,3\nb.png,2\n../b.png,2\n")

    assert of == {"a.png": "labels.csv gives it two labels", "b.png": 2}
    assert wrong == [(name, "named in labels.csv, but not there") for name in ("gone", ".png", "../b.png")]


def test_pages_have_labels_of_their_own_or_one_for_all(tmp_path: Path) -> None:
    table = "file,page,label\nin/c.tif,2,5\na.png,,1\na.png,3.0,4\n"

    assert found(tmp_path, table, page=1)[0] == {"a.png": 1}
    assert found(tmp_path, table, page=2)[0] == {"a.png": 1, "in/c.tif": 5}
    assert found(tmp_path, table, page=3)[0] == {"a.png": 4}


def test_names_are_found_as_they_are_and_as_scores_csv_writes_them(tmp_path: Path) -> None:
    of, wrong = found(tmp_path, b"file,label\n\\xe9.png,8\n'=x.png,9\n")
    assert (of, wrong) == ({"é.png": 8, "=x.png": 9}, [])
    assert found(tmp_path, "file,label\n=x.png,9\n") == ({"=x.png": 9}, [])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "its first line is ''"),
        ("name,digit\na.png,1\n", "its first line is 'name,digit'"),
        ("a.png,1\n", "Make that `file,label`"),
        ("file,label,page\na.png,1,1\nb.png,2,last\n", "line 3: 'last' is no page"),
        ("file,label,page\na.png,1,0\n", "line 2: '0' is no page"),
        ("file,label,page\na.png,1," + "9" * 5000, "is no page"),
        ('file,label\na.png,1\n"b.png,2\n' + "c.png,3\n" * 20_000, "Is a quote not closed?"),
        (b"file,label\n\xff\xfe.png,1\n", "Save it as UTF-8"),
    ],
)
def test_what_is_no_such_table_is_one_line(tmp_path: Path, table: str | bytes, words: str) -> None:
    with pytest.raises(PipelineError) as raised:
        found(tmp_path, table)

    assert words in str(raised.value)
    assert "labels.csv" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_table_beside_the_folder_counts_too(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans.csv").write_text("file,label\na.png,7\n")

    assert labels.read(tmp_path / "scans", PATHS).given == {(b"a.png", 0): 7}
    assert labels.is_table(tmp_path / "scans.csv")
    assert not labels.is_table(tmp_path / "other.csv")


@pytest.mark.parametrize(
    ("path", "label"),
    [
        (b"7/a.png", 7),
        (b"0/deep/er.png", 0),
        (b"x/a.png", "the folder x is no digit from 0 to 9"),
        (b"10/a.png", "the folder 10 is no digit from 0 to 9"),
        (b"\xd9\xa7/a.png", "the folder ٧ is no digit from 0 to 9"),  # noqa: RUF001 - another script's seven
        (b"a.png", "lies in no folder 0 to 9, and there is no labels.csv"),
    ],
)
def test_without_a_table_the_folders_are_the_labels(tmp_path: Path, path: bytes, label: int | str) -> None:
    found = labels.read(tmp_path, [path])

    assert (found.of(path, 1), found.wrong) == (label, [])
