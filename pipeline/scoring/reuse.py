"""Only what is new: which rows of earlier runs still hold, found in one pass, since everything is in one order."""

import heapq
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from pipeline.scoring.lines import path_of

# Lines that no row can be: no path has a NUL in it.
GAP = b"\0\n"
END = b"\0end\n"
QUOTED = re.compile(rb'"(?:[^"]|"")*"')


class Rows(NamedTuple):
    """The rows of one picture, as they stand in the CSV, and its line of the listing that they were scored from.

    ``shown``: what people are shown of them, in lines of a contact sheet.
    """

    line: bytes
    text: bytes
    shown: bytes = b""

    @property
    def name(self) -> bytes:
        """The picture's, as it stands in the CSV."""
        return _name(self.text)


def rows_of(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Read rows from the lines of a CSV, those of one picture together."""
    row = text = name = b""
    for line in lines:
        row += line
        if row.count(b'"') % 2:  # a name with a line's end in it, in quotes, spreads a row over more than one line
            continue
        its_name = _name(row)
        if its_name != name and text:
            yield text
            text = b""
        text, name, row = text + row, its_name, b""
    if text:
        yield text


def merge(*known: Iterator[Rows]) -> Iterator[Rows]:
    """Put the rows of several runs in order; of one picture there may be some of each."""
    return heapq.merge(*known, key=lambda rows: path_of(rows.line))


def keep(listing: Iterator[bytes], known: Iterator[Rows], *, pending: BinaryIO, kept: BinaryIO, sheet: BinaryIO) -> None:
    """Write the lines that no known rows were scored from to ``pending``, and the rows of the others to ``kept`` and ``sheet``.

    Where there are others, ``kept`` gets a ``GAP`` for each that is pending; and always an ``END``.
    """
    rows = next(known, None)
    if rows is None:
        pending.writelines(listing)  # and nothing is left of it
    for line in listing:
        if rows and rows.line != line:
            path = path_of(line)
            while rows and rows.line != line and path_of(rows.line) <= path:
                rows = next(known, None)
        if rows and rows.line == line:
            kept.write(rows.text)
            if rows.shown:
                sheet.write(rows.shown)
            rows = next(known, None)
        else:
            pending.write(line)
            kept.write(GAP)
    kept.write(END)


def _name(row: bytes) -> bytes:
    quoted = QUOTED.match(row) if row.startswith(b'"') else None
    return quoted[0] if quoted else row.partition(b",")[0]
