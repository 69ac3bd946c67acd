"""The page of a scored batch: its counts, and its pictures beside what the network saw of them.

A picture and its row are a line of JSON, an array: file, page, label, confidence, second label and its confidence, status,
reason; the field, 28x28 bytes in base 64; and the thumbnail, a JPEG or PNG file in base 64, or a mark where the field is just
that. What is not there is an empty text. No line has a ``<`` in it, so that none ends the part of a page that it stands in.
"""

import csv
import io
import json
import math
import os
import shlex
from binascii import b2a_base64
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline import layout
from pipeline.names import counted, shown
from pipeline.reports import drift, html

NAME = "report.html"
# Of thumbnails, those that are no file: see ``reports.thumbnails``.
MARKS = (b"=", b"~")
Pictures = Iterable[tuple[str, bytes, bytes]]
# What was keyed and by whom, by `PAGE/FILE` with the name as in the CSV.
Reviewed = dict[str, list[str]]
TEMPLATE = "batch.html.jinja"
PARTS = ("layout.html.jinja", "_drift.html.jinja", "_sheet.html.jinja")
MOST_REASONS = 10
# The bins of the histogram of confidence, and the height of its highest bar in pixels.
BINS, HEIGHT = 20, 125
# The columns of the CSV that are shown.
SHOWN = 8


def write(
    folder: Path,
    given: Path,
    manifest: Callable[[], Any],
    confidences: Counter[int],
    pictures: Pictures,
    reviewed: Reviewed | None = None,
) -> None:
    """Write the page of a batch into ``folder``. Raises PipelineError.

    ``given``: what the names of the rows start from; ``manifest``: gives that of scoring, when the pictures are written;
    ``confidences``: how many labelled rows there are by confidence, in hundredths; ``pictures``: line of the CSV, field and
    thumbnail of each row that is shown; ``reviewed``: what a person keyed.
    """

    def page() -> str:
        return _page(folder, given, manifest(), confidences, reviewed or {})

    html.write(folder / NAME, page, _lines(pictures))


def _name(folder: str) -> str:
    return shown(Path(folder).name or folder)


def get_ready() -> None:
    """Load what a page is made of."""
    for template in (TEMPLATE, *PARTS):
        html.load(template)


def _page(folder: Path, given: Path, manifest: Any, confidences: Counter[int], reviewed: Reviewed) -> str:
    doubtful = manifest.statuses.get("review", 0) + manifest.statuses.get("error", 0)
    return html.render(
        TEMPLATE,
        "sheet.js",
        title=f"Labels of {manifest.audit['words']}" if manifest.audit else f"Scores of {_name(manifest.folder)}",
        manifest=manifest,
        reasons=list(islice(manifest.reasons.items(), MOST_REASONS)),
        more_reasons=max(0, len(manifest.reasons) - MOST_REASONS),
        drift=manifest.drift,
        figures=drift.of_batch(manifest.drift),
        bins=_bars(confidences, manifest.settings["minimum_confidence"]) if confidences else [],
        labelled=confidences.total(),
        about={"bases": [address_of(given, folder)], "rows": manifest.rows, "doubtful": doubtful, "reviewed": reviewed},
        headline=headline(manifest.rows, manifest.statuses),
        batch=shlex.quote(shown(folder.name if folder.parent == layout.SCORES else folder)),
    )


def headline(rows: int, statuses: Mapping[str, int]) -> str:
    """Say what came of the images of a batch."""
    words = {"ok": "read", "review": "to check", "error": "could not be read"}
    return f"{counted(rows, 'image')}: " + ", ".join(
        f"{statuses[one]:,} {what}" for one, what in words.items() if statuses.get(one)
    )


def line(values: Sequence[str], field: bytes, thumbnail: bytes, *more: object) -> bytes:
    """Write the line of a row, of which ``values`` stand in the CSV; ``more`` goes to its end."""
    name, page, *answer, reason = values[:SHOWN]
    texts = ",".join((quoted(name), page, *(f'"{text}"' for text in answer), quoted(reason)))
    end = "".join(f",{json.dumps(value)}" for value in more)
    picture = thumbnail if thumbnail in MARKS else b2a_base64(thumbnail, newline=False)
    seen = b2a_base64(field, newline=False)
    return b'[%b,"%b","%b"%b]\n' % (_safe(texts), seen, picture, _safe(end))


def _safe(text: str) -> bytes:
    return text.replace("<", "\\u003c").encode()


def _lines(pictures: Pictures) -> Iterator[bytes]:
    for one, field, thumbnail in pictures:
        # Most lines have nothing in quotes, and are read by hand in a fraction of the time.
        values = one.split(",") if '"' not in one else next(csv.reader(io.StringIO(one, newline="")))
        yield line(values, field, thumbnail)


def address_of(folder: Path, page_folder: Path) -> str:
    """Give the start of the address of files below ``folder`` for a page in another: relative where both are in the project."""
    if address := layout.address_of(folder):
        return f"{address}/"
    root, place, start = Path.cwd(), folder.resolve(), page_folder.resolve()
    if place.is_relative_to(root) and start.is_relative_to(root):
        return quote(os.fsencode(os.path.relpath(place, start))) + "/"
    return place.as_uri().rstrip("/") + "/"


def _bars(confidences: Counter[int], minimum: float) -> list[dict[str, object]]:
    counts: Counter[int] = Counter()
    for hundredths, count in confidences.items():
        counts[min(hundredths * BINS // 100, BINS - 1)] += count
    unit = HEIGHT / math.log1p(max(counts.values()))
    return [
        {
            "count": counts[number],
            "short": f"{counts[number] // 1000}k" if counts[number] >= 10_000 else str(counts[number]),
            "height": round(unit * math.log1p(counts[number]), 1),
            "is_doubtful": (number + 0.5) / BINS < minimum,
            "words": f"{counts[number]} from {number / BINS:.2f} to {(number + 1) / BINS:.2f}",
        }
        for number in range(BINS)
    ]
