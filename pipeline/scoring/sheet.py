"""What people are shown of the rows: a line of JSON for each, with the picture and the field that the network saw.

Written by whoever scores a shard, beside its part, since only then is the picture at hand. A line is an array: file, page,
label, confidence, second label and its confidence, status, reason; the field, 28x28 bytes in base 64; and the picture, no
larger than a thumbnail, as a JPEG or PNG file in base 64, or ``SAME`` or ``NEGATIVE`` where the field is just that. What is
not there is an empty text. No line has a ``<`` in it, so that none ends the part of a page that it stands in.
"""

import csv
import heapq
import io
import json
import re
from binascii import b2a_base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import cv2
import numpy as np

from pipeline.digits.arrays import Gray
from pipeline.digits.field import FIELD
from pipeline.scoring.lines import SHEET
from pipeline.scoring.reuse import Rows
from pipeline.scoring.row import COLUMNS, Row, csv_lines

if TYPE_CHECKING:  # who only gathers lines need not wait for what reads pictures
    from pipeline.scoring.shard import Reading

# Rows of one report; where there are more, at most half of these are doubtful ones.
MOST = 10_000
MOST_DOUBTFUL = MOST // 2
# The side of a thumbnail in pixels, and its most bytes, so that pictures of noise do not fill a report.
SIDE = 56
MOST_BYTES = 800
# The qualities of JPEG that are tried until a file is small enough; then the picture is halved.
QUALITIES = (60, 20)
SAME, NEGATIVE = "=", "~"
NEGATED = bytes(range(255, -1, -1))
# The name, the confidence and the status in a line; all of it is not read for that, since the pictures are nearly all of it.
DECISIVE = re.compile(rb'\["((?:[^"\\]|\\.)*)",\d+,"\d?","([\d.]*)","\d?","[\d.]*","(\w+)"')
# Most names have no quote and no comma; the CSV has them unquoted too.
PLAIN_NAME = re.compile(rb'\["([^"\\,]+)",')
NAME = re.compile(rb'\["(?:[^"\\]|\\.)*"')
SURE = "ok"
NAME_COLUMN, STATUS_COLUMN = (COLUMNS.index(name) for name in ("file", "status"))


class Shown(NamedTuple):
    """What decides whether a line is shown, where not all are."""

    file: bytes
    confidence: float
    is_doubtful: bool


def share_of(rows: int) -> float:
    """Give the share of the sure rows of a batch, 0 to 1, that lines are written of."""
    return min(1.0, MOST / rows)


def is_shown(name: bytes, status: str, share: float) -> bool:
    """Tell whether a row is: a doubtful one always, another as chance has it, which for a name is always the same."""
    return share >= 1 or status != SURE or _chance(name) < share


def lines(rows: Iterable[Row], readings: "Iterable[Reading]", share: float) -> bytes:
    """Write the lines of the rows that are shown."""
    return b"".join(
        line(row, reading)
        for row, reading in zip(rows, readings, strict=True)
        if is_shown(row.file.encode(), row.status, share)
    )


def line(row: Row, reading: "Reading | None" = None, *more: object) -> bytes:
    """Write the line of a row; ``more`` goes to its end."""
    field = reading.field if reading else None
    seen = b"" if field is None else field.tobytes()
    picture = "" if reading is None or reading.thumbnail is None else _drawn(reading.thumbnail, seen)
    answer = f'"{row.label}","{row.confidence}","{row.second_label}","{row.second_confidence}","{row.status}"'
    names, end = (f"{json.dumps(row.file)},{row.page}", "".join(f",{json.dumps(value)}" for value in more))
    text = f'[{names},{answer},{json.dumps(row.reason)},"{_base64(seen)}","{picture}"{end}]\n'
    return text.replace("<", "\\u003c").encode()


def write(file: Path, content: bytes) -> None:
    """Write lines beside a part; where there is no room, all lines make room for the rows, which are as good without."""
    try:
        file.write_bytes(content)
    except OSError:
        remove(file.parent)


def remove(folder: Path) -> bool:
    """Remove all sheets of a run. Returns whether there were any."""
    sheets = list(folder.glob(f"*{SHEET}"))
    for one in sheets:
        with suppress(OSError):
            one.unlink()
    return bool(sheets)


def with_sheet_lines(known: Iterable[Rows], lines: Iterable[bytes], rows: int) -> Iterator[Rows]:
    """Give the rows of a run the lines that it wrote, for a report on so many rows; those that lack one are left out.

    Of more rows than are shown, what that run chose to show will do.
    """
    by_name: dict[bytes, bytes] = {}
    for shown in lines:
        name = _name_in_csv(shown)
        by_name[name] = by_name.get(name, b"") + shown
    share = 0.0 if by_name and rows > MOST else share_of(rows)
    for one in known:
        if by_name and one.name in by_name:
            yield Rows(one.line, one.text, by_name[one.name])
        elif not share or (share < 1 and not _is_wanted(one.text, share)):
            yield one


def choose(sheets: Iterable[Path], rows: int) -> Iterator[bytes]:
    """Give the lines of the report on so many rows: all, or the most doubtful and a random sample of the others.

    Several of them may be in one piece.
    """
    if rows <= MOST:
        yield from (sheet.read_bytes() for sheet in sheets)
        return
    found = (one for sheet in sheets for one in read(sheet))
    doubtful: list[tuple[float, int, bytes]] = []
    sure: list[tuple[float, int, bytes]] = []
    for number, one in enumerate(found):
        shown = _shown(one)
        heap, key, most = (
            (doubtful, shown.confidence, MOST_DOUBTFUL) if shown.is_doubtful else (sure, _chance(shown.file), MOST)
        )
        heapq.heappush(heap, (-key, -number, one))
        if len(heap) > most:
            heapq.heappop(heap)
    sure = heapq.nlargest(MOST - len(doubtful), sure)
    yield from (one for _, _, one in sorted([*doubtful, *sure], key=lambda item: -item[1]))


def read(sheet: Path) -> Iterator[bytes]:
    """Read the lines of a sheet; none where there is none."""
    try:
        with sheet.open("rb") as file:
            yield from file
    except FileNotFoundError:
        return


def _is_wanted(text: bytes, share: float) -> bool:
    row = next(csv.reader(io.StringIO(text.decode(), newline="")))
    return is_shown(row[NAME_COLUMN].encode(), row[STATUS_COLUMN], share)


def _shown(line: bytes) -> Shown:
    found = DECISIVE.match(line)
    return Shown(found[1], float(found[2] or 1), found[3] != SURE.encode()) if found else Shown(b"", 1, is_doubtful=False)


def _name_in_csv(line: bytes) -> bytes:
    if plain := PLAIN_NAME.match(line):
        return plain[1]
    name = NAME.match(line)
    return csv_lines([[json.loads(name[0] + b"]")[0], ""]])[:-2].encode() if name else b""


def _chance(name: bytes) -> float:
    return crc32(name) / 2**32


def _drawn(picture: Gray, field: bytes) -> str:
    """Write a picture, but for one that is as the network saw it, in ``field``."""
    if picture.shape == (FIELD, FIELD):
        pixels = picture.tobytes()
        if pixels == field:
            return SAME
        if pixels.translate(NEGATED) == field:
            return NEGATIVE
    # Small pictures are lines of single pixels, which JPEG blurs.
    if picture.size <= FIELD * FIELD and (content := _encoded(".png", picture)):
        return content
    while True:
        for quality in QUALITIES:
            if content := _encoded(".jpg", picture, cv2.IMWRITE_JPEG_QUALITY, quality):
                return content
        picture = np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def _encoded(suffix: str, picture: Gray, *options: int) -> str:
    _, content = cv2.imencode(suffix, picture, options)
    return _base64(content.tobytes()) if content.size <= MOST_BYTES else ""


def _base64(content: bytes) -> str:
    return b2a_base64(content, newline=False).decode()
