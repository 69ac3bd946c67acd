"""What a row of ``scores.csv`` says, by which rules, and how it is written."""

import csv
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.digits.pictures.files.limits import Limits

if TYPE_CHECKING:
    from pipeline.params import Score

# Rows that people are shown of a batch.
MOST_SHOWN = 10_000
# Files, about so many of which are compared with what is usual, which tells shares to a hundredth.
MOST_COMPARED = 1000
DIGITS = tuple(range(10))
# Spreadsheets run what begins so, the first four in full width too; and the sign that keeps them from it marks itself.
FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n", "'")


class Row(NamedTuple):
    """One line of ``scores.csv``, its fields in the order of the columns.

    ``probabilities``: of the digits 0 to 9, in ten-thousandths, where there is a label.
    """

    file: str
    page: int
    label: str
    confidence: str
    second_label: str
    second_confidence: str
    status: str
    reason: str
    model: str
    probabilities: tuple[int, ...] = ()

    def values(self, rules: "Rules") -> tuple[object, ...]:
        """Give what stands in the line."""
        if not rules.probabilities:
            return self[:-1]
        return (*self[:-1], *([f"{one / 10_000:.4f}" for one in self.probabilities] or ("",) * len(PROBABILITIES)))


COLUMNS = Row._fields[:-1]
PROBABILITIES = tuple(f"p{digit}" for digit in range(10))


@dataclass(frozen=True, kw_only=True)
class Rules(Limits):
    """What a file may ask for, and which answers are doubtful: those below a confidence from 0 to 1.

    ``temperature``: the model's, by which its logits are divided so that confidence holds. ``digits``: those that can occur.
    ``probabilities``: whether ten more columns give that of each digit. ``maximum_seconds``: the most that a file may take.
    """

    temperature: float
    minimum_confidence: float
    maximum_seconds: float
    digits: tuple[int, ...] = DIGITS
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


def rules_of(settings: "Score", temperature: float, digits: tuple[int, ...] = DIGITS, *, probabilities: bool = False) -> Rules:
    """Put together by what rules rows are written."""
    return Rules(
        **{limit.name: getattr(settings, limit.name) for limit in fields(Limits)},
        temperature=temperature,
        minimum_confidence=settings.minimum_confidence,
        maximum_seconds=settings.maximum_seconds,
        digits=digits,
        probabilities=probabilities,
    )


def csv_lines(rows: Iterable[Iterable[object]]) -> list[str]:
    r"""Write lines of the CSV. They end in LF, and a value with CR or LF in it is quoted (RFC 4180)."""
    lines = _Lines()
    # Python's writer before 3.13 quotes only what its own line end holds.
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return [f"{line[:-2]}\n" for line in lines]


def name_in_csv(path: bytes) -> str:
    r"""Write a path as text that no spreadsheet runs as a formula; other paths give other texts.

    A byte that is no UTF-8 becomes ``\xNN``, a backslash two; then ``'`` goes before what begins like a formula or with ``'``.
    """
    name = path.replace(b"\\", rb"\\").decode("utf-8", "backslashreplace")
    return f"'{name}" if name.startswith(FORMULA_STARTS) else name


def share_shown(files: int) -> float:
    """Give the share of the sure rows of a batch, 0 to 1, that people are shown."""
    return min(1.0, MOST_SHOWN / files)


def share_compared(files: int) -> float:
    """Give the share of the files of a batch, 0 to 1, whose rows are compared with what is usual."""
    return min(1.0, MOST_COMPARED / max(1, files))


def is_compared(path: bytes, share: float) -> bool:
    """Tell whether the rows of a file are of that share, as chance has it, which is one for a path."""
    return share >= 1 or zlib.crc32(path) < share * 2**32


def is_shown(name: str, status: str, share: float) -> bool:
    """Tell whether people are shown a row: a doubtful one always, another as chance has it, which is one for a name."""
    return share >= 1 or status != "ok" or chance(name) < share


def chance(name: str) -> float:
    """Give a number from 0 to 1 that nobody can tell from a name without this."""
    return zlib.crc32(name.encode()) / 2**32


class _Lines(list[str]):
    write = list.append
