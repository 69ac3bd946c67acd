"""The page of a scored batch: its counts, and its pictures beside what the network saw of them."""

import math
import os
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from pipeline.names import shown
from pipeline.reports import html
from pipeline.scoring.manifest import Manifest

NAME = "report.html"
TEMPLATE = "batch.html.jinja"
MOST_REASONS = 10
# The bins of the histogram of confidence, and the height of its highest bar in pixels.
BINS, HEIGHT = 20, 125
# A product of binary fractions may be a little less than the whole number that it stands for.
ROUNDING = 1e-6


def write(folder: Path, given: Path, manifest: Manifest, confidences: Counter[str], lines: Iterable[bytes]) -> None:
    """Write the page of a batch into ``folder``. Raises PipelineError.

    ``given``: what the names of the rows start from; ``confidences``: how many labelled rows there are by confidence, in
    hundredths; ``lines``: of the contact sheet.
    """
    doubtful = manifest.statuses.get("review", 0) + manifest.statuses.get("error", 0)
    page = html.render(
        TEMPLATE,
        "sheet.js",
        title=f"Scores of {shown(Path(manifest.folder).name or manifest.folder)}",
        manifest=manifest,
        reasons=list(islice(manifest.reasons.items(), MOST_REASONS)),
        more_reasons=max(0, len(manifest.reasons) - MOST_REASONS),
        bins=_bars(confidences, manifest.settings["minimum_confidence"]) if confidences else [],
        labelled=confidences.total(),
        about={"bases": [address_of(given, folder)], "rows": manifest.rows, "doubtful": doubtful},
    )
    html.write(folder / NAME, page, lines)


def address_of(folder: Path, page_folder: Path) -> str:
    """Give the start of the address of files below ``folder`` for a page in another: relative where both are in the project."""
    root, place, start = Path.cwd(), folder.resolve(), page_folder.resolve()
    if place.is_relative_to(root) and start.is_relative_to(root):
        return quote(os.fsencode(os.path.relpath(place, start))) + "/"
    return place.as_uri().rstrip("/") + "/"


def _bars(confidences: Counter[str], minimum: float) -> list[dict[str, object]]:
    counts: Counter[int] = Counter()
    for hundredths, count in confidences.items():
        counts[min(int(float(hundredths) * BINS + ROUNDING), BINS - 1)] += count
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
