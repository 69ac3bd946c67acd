"""From rows, new and kept, to ``scores.csv`` and ``review.csv``."""

import csv
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pipeline import atomic
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.scoring import manifest, report
from pipeline.scoring.lines import Shard
from pipeline.scoring.ordering import in_order
from pipeline.scoring.reuse import END, GAP
from pipeline.scoring.row import COLUMNS, Rules, csv_lines
from pipeline.scoring.work import Work

SCORES = "scores.csv"
REVIEW = "review.csv"
LABEL, CONFIDENCE, STATUS, REASON = (COLUMNS.index(name) for name in ("label", "confidence", "status", "reason"))
# As many characters of a confidence, such as 0.98.
HUNDREDTHS = 4
# Of what decoders say of broken files there is no end.
MOST_REASONS = 100
OTHER_REASONS = "other reasons"


@dataclass
class Counts:
    """Rows by status, by reason and by label, and the sha256 of ``scores.csv``.

    ``confidences`` counts the labelled rows by confidence, cut off to hundredths. ``looked_at``: what the labelled ones of the
    rows with the numbers in ``drawn`` say, but for their files.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    confidences: Counter[str] = field(default_factory=Counter)
    sha256: str = ""
    drawn: frozenset[int] = frozenset()
    looked_at: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def add(self, number: int, values: list[str]) -> None:
        """Count the row of that number."""
        if number in self.drawn and values[LABEL]:
            self.looked_at[number] = tuple(values[LABEL:])
        self.statuses[values[STATUS]] += 1
        if values[LABEL]:
            self.labels[values[LABEL]] += 1
            self.confidences[values[CONFIDENCE][:HUNDREDTHS]] += 1
        if reason := values[REASON]:
            is_known = values[STATUS] == "review" or reason in self.reasons or len(self.reasons) < MOST_REASONS
            self.reasons[reason if is_known else OTHER_REASONS] += 1

    def as_shown(self) -> dict[str, Any]:
        """Give what a manifest says of them."""
        return {
            "scores_sha256": self.sha256,
            "rows": self.statuses.total(),
            "statuses": dict(sorted(self.statuses.items())),
            "reasons": dict(self.reasons.most_common()),
            "labels": dict(sorted(self.labels.items())),
        }


def join(work: Work, shards: list[Shard], rules: Rules, out: Path, *, drawn: frozenset[int]) -> Counts:
    """Write both files, and count the rows; ``drawn`` are numbers of rows to keep at hand. Raises PipelineError.

    Manifest and report go before they come: of other rows, they must never stand beside them.
    """
    counts, head = Counts(drawn=drawn), csv_lines([rules.columns]).encode()
    with atomic.replacing(out / SCORES) as scores, atomic.replacing(out / REVIEW) as review:
        with scores.open("wb") as file:
            file.write(head)
            _write(work, shards, file)
        with review.open("wb") as file:
            file.write(head)
            for _, row in in_order(_doubtful(scores, counts)):
                file.write(row)
        counts.sha256 = sha256(scores)
        for name in (manifest.NAME, report.NAME):
            (out / name).unlink(missing_ok=True)
    return counts


def sha256(file: Path) -> str:
    """Hash a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _write(work: Work, shards: list[Shard], file: BinaryIO) -> None:
    """Write the rows in the order of the listing. Raises PipelineError."""
    if work.kept.stat().st_size == len(END):
        for shard in shards:
            with work.part(shard).open("rb") as part:
                shutil.copyfileobj(part, file)
        return
    scored = work.rows(iter(shards))
    with work.kept.open("rb") as kept:
        for line in kept:
            if line == END:
                return
            file.write(next(scored).text if line == GAP else line)
    raise PipelineError(f"{shown(work.kept)}: cut short. Delete its folder {shown(work.folder)} and run again.")


def _doubtful(scores: Path, counts: Counts) -> Iterator[tuple[bytes, bytes]]:
    """Count the rows, and yield those for review with their confidence."""
    with scores.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        for number, values in enumerate(rows):
            counts.add(number, values)
            if values[STATUS] == "review":
                yield values[CONFIDENCE].encode(), csv_lines([values]).encode()
