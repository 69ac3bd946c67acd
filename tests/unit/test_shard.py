"""One shard: a row for every file, whatever is in it and whatever it is called."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.digits.network.model import Classifier
from pipeline.digits.pictures import normalising
from pipeline.errors import StorageError
from pipeline.params import load
from pipeline.scoring import batch, files, page
from pipeline.scoring.page import Page
from pipeline.scoring.row import COLUMNS, Row, Rules, csv_lines, name_in_csv
from pipeline.scoring.shard import Shard
from tests.scored import score_files
from tests.written import CASES, CHANGES, FILES, WRITERS, mutate

ROOT = Path(__file__).parents[2]
NOBODY = 65534
RULES = Rules(10**6, 10**8, 10, 200, temperature=1.0, minimum_confidence=0.5, maximum_seconds=20)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """What `network.to_litert` gives of the default network before it is trained: what a row says is not asked here."""
    return Classifier((FILES / "untrained.tflite").read_bytes())


def score(folder: Path, classifier: Classifier, rules: Rules = RULES) -> dict[str, Row]:
    names = sorted(os.fsencode(path.name) for path in folder.iterdir())
    return {row.file: row for row in score_files(os.fsencode(folder), names, classifier, "v1.0.0", rules)}


def write(file: Path, picture: np.ndarray) -> None:
    file.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def test_a_file_past_the_bound_is_an_error_row_unread(tmp_path: Path, scan: np.ndarray, classifier: Classifier) -> None:
    write(tmp_path / "a.png", scan)
    with (tmp_path / "b.png").open("wb") as file:
        os.truncate(file.fileno(), 300 * 2**30)  # sparse: it takes no room

    rows = score(tmp_path, classifier)

    assert rows["a.png"].status != "error"
    assert (rows["b.png"].status, rows["b.png"].label) == ("error", "")
    assert rows["b.png"].reason == f"{300 * 2**30} bytes, more than 1000000"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux, which holds a process to RLIMIT_AS")
def test_a_picture_that_memory_does_not_suffice_for_is_an_error_row(tmp_path: Path, scan: np.ndarray) -> None:
    write(tmp_path / "a.png", scan)
    write(tmp_path / "b.png", np.zeros((9000, 9000), np.uint8))
    write(tmp_path / "c.png", scan)
    code = (
        "import resource, sys; import os; from pathlib import Path; from pipeline.scoring import row, page\n"
        "from pipeline.scoring.shard import Shard; from tests.scored import nothing\n"
        "import PIL.Image, cv2, PIL.PngImagePlugin\n"
        f"rules = row.{RULES}\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))\n"
        "for one in page.read(os.fsencode(sys.argv[1]), Shard((b'a.png', b'b.png', b'c.png')), rules, nothing):\n"
        "    print(one.glyph if isinstance(one.glyph, str) else one.glyph.__class__.__name__)\n"
    )

    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["Glyph", "needs more memory than there is", "Glyph"]


def test_large_pictures_are_not_many_at_a_time_and_small_ones_are() -> None:
    sizes = [10, 1100, 1200, 700, 700, 10]
    pages = [*(Page(0, 1, np.zeros((size, 1000), np.uint8)) for size in sizes), Page(0, 1, "a reason")]

    groups = [[len(page.picture) for page in group] for group in page._in_groups(pages)]

    assert groups == [[10, 1100], [1200], [700, 700], [10, len("a reason")]]


def test_a_file_that_went_away_or_became_a_pipe_is_an_error_row(
    tmp_path: Path, scan: np.ndarray, classifier: Classifier
) -> None:
    write(tmp_path / "a.png", scan)
    os.mkfifo(tmp_path / "b.png")
    (tmp_path / "c.png").symlink_to("/dev/zero")
    (tmp_path / "d.png").symlink_to("nowhere")

    rows = score(tmp_path, classifier)

    assert rows["a.png"].status != "error"
    assert {name: row.reason for name, row in rows.items() if name != "a.png"} == {
        "b.png": "not a file",
        "c.png": "not a file",
        "d.png": "cannot be read: No such file or directory",
    }


def test_a_folder_that_went_away_is_the_fault_of_none_of_its_files(tmp_path: Path, classifier: Classifier) -> None:
    with pytest.raises(StorageError, match=r"gone: cannot be read: No such file or directory\.$"):
        score_files(os.fsencode(tmp_path / "gone"), [b"a.png", b"b.png"], classifier, "v1.0.0", RULES)


def test_a_file_that_may_not_be_read_is_an_error_row(scan: np.ndarray, classifier: Classifier) -> None:
    with tempfile.TemporaryDirectory() as name:  # unlike pytest's own, open to others
        folder, me = Path(name), os.geteuid()
        folder.chmod(0o755)
        write(folder / "a.png", scan)
        write(folder / "b.png", scan)
        (folder / "a.png").chmod(0o644)
        (folder / "b.png").chmod(0)
        if me == 0:
            os.seteuid(NOBODY)
        try:
            rows = score(folder, classifier)
        finally:
            os.seteuid(me)

    assert rows["a.png"].status != "error"
    assert rows["b.png"].reason == "cannot be read: Permission denied"


def test_a_file_that_grows_is_read_as_far_as_it_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"0123")
    read = os.read

    def grow(descriptor: int, size: int) -> bytes:
        with (tmp_path / "a.png").open("ab") as file:
            file.write(b"more")
        return read(descriptor, min(size, 3))

    monkeypatch.setattr(os, "read", grow)

    with files.opened(os.fsencode(tmp_path), Shard((b"a.png",)), maximum_bytes=100) as read_some:
        assert read_some(range(1)) == [b"0123"]


def test_a_row_does_not_depend_on_the_pictures_beside_it(tmp_path: Path, scan: np.ndarray, classifier: Classifier) -> None:
    for index in range(130):
        write(tmp_path / f"{index:03d}.png", np.roll(scan, index % 13, axis=1))
    names = sorted(os.fsencode(path.name) for path in tmp_path.iterdir())

    together = score_files(os.fsencode(tmp_path), names, classifier, "v1.0.0", RULES)
    alone = [score_files(os.fsencode(tmp_path), [name], classifier, "v1.0.0", RULES)[0] for name in names]

    assert together == alone


def test_a_single_digit_that_can_occur_has_no_second(tmp_path: Path, scan: np.ndarray, classifier: Classifier) -> None:
    write(tmp_path / "a.png", scan)

    row = score(tmp_path, classifier, replace(RULES, digits=(7,), probabilities=True))["a.png"]

    assert (row.label, row.confidence, row.second_label, row.second_confidence) == ("7", "1.0000", "", "")
    assert row.values(replace(RULES, probabilities=True))[9:] == tuple("1.0000" if one == 7 else "0.0000" for one in range(10))


def test_a_picture_that_the_normaliser_breaks_on_is_an_error_row(
    tmp_path: Path, scan: np.ndarray, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(picture: np.ndarray) -> normalising.Glyph:
        return normalise(picture) if picture.shape != (5, 5) else normalising.BLANK.missing  # type: ignore[attr-defined]

    normalise = normalising.normalise
    monkeypatch.setattr(page.normalising, "normalise", broken)  # type: ignore[attr-defined]
    write(tmp_path / "a.png", scan)
    write(tmp_path / "b.png", scan[:5, :5])

    rows = score(tmp_path, classifier)

    assert rows["a.png"].status != "error"
    assert rows["b.png"].reason == "cannot be normalised: 'Glyph' object has no attribute 'missing'"


def test_a_blank_picture_has_no_label(tmp_path: Path, scan: np.ndarray, classifier: Classifier) -> None:
    write(tmp_path / "blank.png", np.full((60, 40), 250, np.uint8))
    write(tmp_path / "digit.png", scan)

    rows = score(tmp_path, classifier)

    assert rows["blank.png"] == Row("blank.png", 1, "", "", "", "", "review", "blank", "v1.0.0")
    assert rows["digit.png"].label


PIECES = [b"=", b"+", b"-", b"@", b"'", b"\t", b"\r", b"\n", b"\\", b"\xff", b"\\xff", b"xff", b"1.png", b'"', b","]
FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"


def real_name(file: str) -> bytes:
    """Get a file's name back from the CSV, as the README says."""
    return re.sub(rb"\\\\|\\x(..)", lambda found: bytes.fromhex((found[1] or b"5c").decode()), file.removeprefix("'").encode())


@given(st.lists(st.sampled_from([*PIECES, *map(str.encode, FULL_WIDTH)]), min_size=1, max_size=5).map(b"".join))
def test_every_name_comes_back_from_the_csv_and_none_is_a_formula(name: bytes) -> None:
    (line,) = csv_lines([Row(name_in_csv(name), 1, "", "", "", "", "error", "", "v1.0.0").values(RULES)])
    (row,) = csv.reader(io.StringIO(line, newline=""))

    assert real_name(row[0]) == name
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n", *FULL_WIDTH))


@pytest.mark.parametrize(("one", "other"), [(b"=1.png", b"'=1.png"), (b"\xff.png", rb"\xff.png"), (b"\t1.png", b"'\t1.png")])
def test_two_files_never_have_one_name(one: bytes, other: bytes) -> None:
    assert name_in_csv(one) != name_in_csv(other)


def test_a_line_of_the_csv_ends_in_lf() -> None:
    assert csv_lines([["a", "b\rc", 'd"e']]) == ['a,"b\rc","d""e"\n']


@pytest.mark.parametrize(
    ("module", "changes"),
    [
        ("digits/field.py", True),
        ("digits/pictures/scan/pen.py", True),
        ("scoring/shard.py", True),
        ("digits/network/networks.py", False),
    ],
)
def test_the_version_of_scoring_changes_with_the_code_that_decides_on_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, changes: bool
) -> None:
    for place in ("digits", "reports", "scoring"):
        shutil.copytree(batch.PACKAGE / place, tmp_path / place)
    monkeypatch.setattr(batch, "PACKAGE", tmp_path)
    before = batch.versions.__wrapped__()

    (tmp_path / module).write_text("# edited")

    assert (batch.versions.__wrapped__() != before) == changes


def test_pandas_reads_every_row_with_no_options(tmp_path: Path) -> None:
    names = [
        b"a.png",
        b"=1.png",
        b'a,"b".png',
        b"new\nline.png",
        b"return\r.png",
        "\U0001f58a.png".encode(),
        b"\xff.png",
        b"'.png",
    ]
    rows = [Row(name_in_csv(name), 1, "", "", "", "", "error", 'no, "none"', "v1.0.0").values(RULES) for name in names]
    (tmp_path / "scores.csv").write_bytes("".join(csv_lines([COLUMNS, *rows])).encode())

    table = pd.read_csv(tmp_path / "scores.csv")

    assert list(table.columns) == list(COLUMNS)
    assert table["file"].tolist() == [name_in_csv(name) for name in names]
    assert set(table["reason"]) == {'no, "none"'}


def test_what_a_file_is_says_its_content_not_its_name(tmp_path: Path, scan: np.ndarray, classifier: Classifier) -> None:
    write(tmp_path / "a.png", scan)
    for name in ("b.jpg", "c.tif", "d.pdf", "e.heic"):
        shutil.copyfile(tmp_path / "a.png", tmp_path / name)
    (tmp_path / "f.png").write_text("no picture")

    rows = score(tmp_path, classifier)

    assert rows["a.png"].label
    assert {rows[name]._replace(file="") for name in rows if name != "f.png"} == {rows["a.png"]._replace(file="")}
    assert (rows["f.png"].status, rows["f.png"].reason) == ("error", "not an image that can be read")


@pytest.mark.parametrize("suffix", load(ROOT / "params.yaml").score.image_suffixes)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(CASES), st.floats(0, 1, exclude_max=True), st.sampled_from(CHANGES), st.integers(0, 255), st.booleans())
def test_any_bytes_as_any_suffix_give_a_row(
    suffix: str,
    tmp_path: Path,
    scan: np.ndarray,
    classifier: Classifier,
    case: tuple[str, str],
    place: float,
    how: str,
    value: int,
    is_changed: bool,
) -> None:
    whole = WRITERS[case[0]][case[1]](scan[::4, ::4])
    content = mutate(whole, place, how, value) if is_changed else whole
    (tmp_path / f"a{suffix}").write_bytes(content)

    rows = score_files(bytes(tmp_path), [f"a{suffix}".encode()], classifier, "v1.0.0", RULES)

    assert [row.page for row in rows] == list(range(1, len(rows) + 1))
    assert rows
    assert {row.status for row in rows} <= {"ok", "review", "error"}
    assert all(row.reason for row in rows if row.status == "error")


def test_pictures_with_the_same_checksum_are_told_apart_also_in_the_middle_of_large_ones() -> None:
    """A checksum is linear: of 33 single bits, some together change nothing."""
    for side in (28, 300):
        blank = np.zeros((side, side), np.uint8)
        first = page._pixels(blank) >> 31
        changes: list[tuple[int, int]] = []
        middle = side * side // 2
        for bit in range(33):
            picture = blank.copy()
            picture.flat[middle + bit] = 1
            change, bits = (page._pixels(picture) >> 31) ^ first, 1 << bit
            for other, others in changes:
                if change ^ other < change:
                    change, bits = change ^ other, bits ^ others
            if not change:
                break
            changes.append((change, bits))
        twin = blank.copy()
        twin.flat[middle : middle + 33] = [bits >> bit & 1 for bit in range(33)]

        assert twin.any()
        assert page._pixels(twin) >> 31 == first
        assert page._pixels(twin) != page._pixels(blank)
        assert 0 < page._pixels(twin) < 2**63
