"""Only what is new: which rows of earlier runs still hold, found in one pass, since everything is in one order."""

import heapq
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from pipeline.scoring.listing import path_of

NAME = re.compile(rb'"(?:[^"]|"")*"|[^,]*')


class Rows(NamedTuple):
    """The rows of one picture, as they stand in the CSV, and its line of the listing that they were scored from."""

    line: bytes
    text: bytes


def rows_of(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Read rows from the lines of a CSV, those of one picture together."""
    text, name = b"", b""
    for row in _whole(lines):
        its_name = _name(row)
        if text and its_name != name:
            yield text
            text = b""
        text, name = text + row, its_name
    if text:
        yield text


def merge(*known: Iterator[Rows]) -> Iterator[Rows]:
    """Put the rows of several runs in order; of one picture there may be some of each."""
    return heapq.merge(*known, key=lambda rows: path_of(rows.line))


def keep(listing: Iterable[bytes], known: Iterator[Rows], *, pending: BinaryIO, kept: BinaryIO) -> None:
    """Write the lines that no known rows were scored from to ``pending``, and the rows of the others to ``kept``."""
    rows = next(known, None)
    for line in listing:
        if rows and rows.line != line:
            path = path_of(line)
            while rows and rows.line != line and path_of(rows.line) <= path:
                rows = next(known, None)
        if rows and rows.line == line:
            kept.write(rows.text)
            rows = next(known, None)
        else:
            pending.write(line)


def _whole(lines: Iterable[bytes]) -> Iterator[bytes]:
    row = b""
    for line in lines:
        row += line
        # A name with a line's end in it spreads a row over more than one line, in quotes.
        if row.count(b'"') % 2 == 0:
            yield row
            row = b""


def _name(row: bytes) -> bytes:
    found = NAME.match(row)
    return found[0] if found else b""
