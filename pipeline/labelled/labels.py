"""What the labels of a folder of scans are: the digits that its folders are named after, or a table in or beside it."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.own import LABEL_OF_NONE
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.scoring.row import csv_lines, name_in_csv

FILE = "labels.csv"
DIGITS = tuple(map(str, range(10)))
# The label of a picture that shows no digit.
NO_DIGIT = "none"
# A table program may write the digit 7 as " 7" or 7.0. A digit of another script may stand for a picture of such a digit.
DIGIT = re.compile(r"\s*([0-9])(\.0*)?\s*")
PAGE = re.compile(r"\s*([1-9][0-9]{0,8})(\.0*)?\s*")
ALL_PAGES = 0
DELIMITERS = ",;\t"

# A file, as it is named, its page or ALL_PAGES, and its label, as they are written.
Line = tuple[str, int, str]


@dataclass(frozen=True)
class Labels:
    """Labels of files below a folder, by the path and the page, from 1, or ALL_PAGES; in words, why one is none.

    ``wrong``: names of files that are not there, and why, in words. ``otherwise``: why a file that has no label has none.
    """

    given: dict[tuple[bytes, int], int | str]
    wrong: list[tuple[str, str]]
    otherwise: str

    def of(self, path: bytes, page: int) -> int | str:
        """Give the label of a page, or in words why it has none."""
        return self.given.get((path, page), self.given.get((path, ALL_PAGES), self.otherwise))


def table_of(folder: Path) -> Path | None:
    """Find the table of a folder's labels: ``labels.csv`` in it, or ``FOLDER.csv`` beside it."""
    return next(filter(Path.is_file, (folder / FILE, beside(folder))), None)


def beside(folder: Path) -> Path:
    """Give where the table of a folder's labels is where it is not in the folder."""
    return folder.with_name(f"{folder.name}.csv")


def is_table(file: Path) -> bool:
    """Tell whether a file holds the labels of a folder beside it."""
    return file.suffix == ".csv" and file.with_suffix("").is_dir()


def read(folder: Path, paths: Iterable[bytes]) -> Labels:
    """Read the labels of files below a folder. Raises PipelineError where there is a table that is none."""
    table = table_of(folder)
    if table:
        return of_lines(read_table(table), paths, shown(table.name))
    return Labels({(path, ALL_PAGES): _of_folder(path) for path in paths}, [], "")


def of_lines(lines: Iterable[Line], paths: Iterable[bytes], table: str) -> Labels:
    """Find the files that the lines of a ``table`` name."""
    known = {spelling: path for path in paths for spelling in (name_in_csv(path), path.decode("utf-8", "surrogateescape"))}
    found = Labels({}, [], f"not in {table}")
    for name, page, text in lines:
        path = known.get(name)
        if path is None:
            found.wrong.append((shown(name), f"named in {table}, but not there"))
            continue
        label = parsed(text)
        if found.given.setdefault((path, page), label) != label:
            found.given[path, page] = f"{table} gives it two labels"
    return found


def written(label: int) -> str:
    """Write a label as a table has it."""
    return NO_DIGIT if label == LABEL_OF_NONE else str(label)


def to_csv(lines: Iterable[tuple[bytes, int, str]]) -> str:
    """Write a table of files, their pages or ALL_PAGES, and their labels."""
    rows = ((name_in_csv(path), label, page or "") for path, page, label in lines)
    return "".join(csv_lines([("file", "label", "page"), *rows]))


def parsed(text: str) -> int | str:
    """Read a label, or say why it is none."""
    if text.strip().lower() == NO_DIGIT:
        return LABEL_OF_NONE
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
    rows = _rows(text, max(DELIMITERS, key=head.count), table)
    names = [name.strip().lower() for name in next(rows, (0, []))[1]]
    if not {"file", "label"} <= set(names):
        raise PipelineError(f"{shown(table)}: its first line is {shown(head)[:80]!r}. Make that `file,label` and run again.")
    for number, row in rows:
        values = dict(zip(names, row, strict=False))
        page = values.get("page", "").strip()
        counted = PAGE.fullmatch(page)
        if page and not counted:
            raise PipelineError(f"{shown(table)}: line {number}: {shown(page)[:80]!r} is no page. Mend it and run again.")
        yield values["file"], int(counted[1]) if counted else ALL_PAGES, values.get("label", "")


def _rows(text: str, delimiter: str, table: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV that are not empty, each with the number of the line at which it ends. Raises PipelineError."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in rows:
            if any(row):
                yield rows.line_num, row
    except csv.Error as error:
        raise PipelineError(
            f"{shown(table)}: line {rows.line_num}: {error}. Is a quote not closed? Mend it and run again."
        ) from None


def _of_folder(path: bytes) -> int | str:
    first, is_below, _ = path.partition(b"/")
    name = shown(first)
    if not is_below:
        return f"lies in no folder 0 to 9, and there is no {FILE}"
    if name == NO_DIGIT:
        return LABEL_OF_NONE
    return int(name) if name in DIGITS else f"the folder {name} is no digit from 0 to 9"
