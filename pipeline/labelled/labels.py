"""What the labels of a folder of scans are: the digits that its folders are named after, or a ``labels.csv`` in it."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.scoring.row import name_in_csv

FILE = "labels.csv"
DIGITS = tuple(map(str, range(10)))
# A table program may write the digit 7 as " 7" or 7.0. A digit of another script may stand for a picture of such a digit.
DIGIT = re.compile(r"\s*([0-9])(\.0*)?\s*")
PAGE = re.compile(r"\s*([1-9][0-9]*)(\.0*)?\s*")
ALL_PAGES = 0
DELIMITERS = ",;\t"

# Gives the label of a page of a file, or in words why it has none. Pages are counted from 1.
LabelOf = Callable[[bytes, int], int | str]
# A file, as it is named, its page or ALL_PAGES, and its label, as they are written.
Line = tuple[str, int, str]


def read(folder: Path, paths: Iterable[bytes]) -> tuple[LabelOf, list[tuple[str, str]]]:
    """Read the labels of files below a folder, and what is wrong in ``labels.csv``: names of files, and why, in words.

    Raises PipelineError where that file is no such table.
    """
    table = folder / FILE
    if not table.is_file():
        return _of_folder, []
    return of_lines(read_table(table), paths)


def of_lines(lines: Iterable[Line], paths: Iterable[bytes]) -> tuple[LabelOf, list[tuple[str, str]]]:
    """Find the files that lines name; what names none is wrong."""
    known = {spelling: path for path in paths for spelling in (name_in_csv(path), path.decode("utf-8", "surrogateescape"))}
    labels: dict[tuple[bytes, int], int | str] = {}
    wrong = []
    for name, page, text in lines:
        path = known.get(name)
        if path is None:
            wrong.append((shown(name), f"named in {FILE}, but not there"))
            continue
        label = parsed(text)
        before = labels.setdefault((path, page), label)
        if before != label:
            labels[path, page] = f"{FILE} gives it two labels"

    def label_of(path: bytes, page: int) -> int | str:
        return labels.get((path, page), labels.get((path, ALL_PAGES), f"not in {FILE}"))

    return label_of, wrong


def parsed(text: str) -> int | str:
    """Read a label, or say why it is none."""
    found = DIGIT.fullmatch(text)
    return int(found[1]) if found else f"the label {shown(text)!r} is no digit from 0 to 9"


def read_table(table: Path) -> Iterator[Line]:
    """Yield the lines of a CSV with a header. It has columns ``file`` and ``label``, and perhaps ``page``, in any order.

    Fields stand between commas, semicolons or tabs. Raises PipelineError.
    """
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{shown(table)}: cannot be read: {error}. Save it as UTF-8 and run again.") from None
    head = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=head.count))
    names = [name.strip().lower() for name in next(rows, [])]
    if not {"file", "label"} <= set(names):
        raise PipelineError(f"{shown(table)}: its first line is {shown(head)[:80]!r}. Make that `file,label` and run again.")
    for row in filter(any, rows):
        values = dict(zip(names, row, strict=False))
        page = values.get("page", "").strip()
        number = PAGE.fullmatch(page)
        if page and not number:
            raise PipelineError(f"{shown(table)}: line {rows.line_num}: {shown(page)!r} is no page. Mend it and run again.")
        yield values["file"], int(number[1]) if number else ALL_PAGES, values.get("label", "")


def _of_folder(path: bytes, _page: int) -> int | str:
    first, is_below, _rest = path.partition(b"/")
    name = shown(first)
    if not is_below:
        return f"lies in no folder 0 to 9, and there is no {FILE}"
    return int(name) if name in DIGITS else f"the folder {name} is no digit from 0 to 9"
