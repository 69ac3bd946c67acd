"""What a row of ``scores.csv`` says, by which rules, and how it is written."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.digits.pictures.files.limits import Limits

# Spreadsheets run what begins so, the first four in full width too; and the sign that keeps them from it marks itself.
FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n", "'")


class Row(NamedTuple):
    """One line of ``scores.csv``, its fields in the order of the columns; ``probabilities`` where they are asked for."""

    file: str
    page: int
    label: str
    confidence: str
    second_label: str
    second_confidence: str
    status: str
    reason: str
    model: str
    probabilities: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[object, ...]:
        """What stands in the line."""
        return (*self[:-1], *self.probabilities)


COLUMNS = Row._fields[:-1]
PROBABILITIES = tuple(f"p{digit}" for digit in range(10))


@dataclass(frozen=True, kw_only=True)
class Rules(Limits):
    """What a file may ask for, and which answers are doubtful: those below a confidence from 0 to 1.

    ``temperature``: the model's, by which its logits are divided so that confidence holds. ``digits``: those that can occur.
    ``probabilities``: whether ten more columns give that of each digit.
    """

    temperature: float
    minimum_confidence: float
    digits: tuple[int, ...] = tuple(range(10))
    probabilities: bool = False

    def as_shown(self) -> dict[str, Any]:
        """Give what a manifest says of them."""
        first = ("temperature", "minimum_confidence", "maximum_bytes", "maximum_pixels", "maximum_pages")
        shown = {name: getattr(self, name) for name in first}
        return shown | {"resolution": self.pdf_resolution, "digits": self.digits, "probabilities": self.probabilities}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the CSV."""
        return (*COLUMNS, *PROBABILITIES) if self.probabilities else COLUMNS


def unlabelled_row(path: bytes, page: int, status: str, reason: str, model: str, rules: Rules) -> Row:
    """Give the row of a page that has no label."""
    nothing = ("",) * len(PROBABILITIES) if rules.probabilities else ()
    return Row(name_in_csv(path), page, "", "", "", "", status, reason, model, nothing)


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    r"""Write lines of the CSV. They end in LF, and a value with CR or LF in it is quoted (RFC 4180)."""
    lines = _Lines()
    # Python's writer before 3.13 quotes only what its own line end holds.
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return "".join(f"{line[:-2]}\n" for line in lines)


def name_in_csv(path: bytes) -> str:
    r"""Write a path as text that no spreadsheet runs as a formula; other paths give other texts.

    A byte that is no UTF-8 becomes ``\xNN``, a backslash two; then ``'`` goes before what begins like a formula or with ``'``.
    """
    name = path.replace(b"\\", rb"\\").decode("utf-8", "backslashreplace")
    return f"'{name}" if name.startswith(FORMULA_STARTS) else name


class _Lines(list[str]):
    write = list.append
