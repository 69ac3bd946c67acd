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
from pipeline.scoring.suspicion import Drawn, Sample
from pipeline.scoring.work import Work

SCORES = "scores.csv"
REVIEW = "review.csv"
PAGE, LABEL, CONFIDENCE, STATUS, REASON = map(COLUMNS.index, ("page", "label", "confidence", "status", "reason"))
# Every file has one.
FIRST = "1"
# The characters of a confidence that are counted by, such as 0.98.
HUNDREDTHS = 4
# Decoders have too many words for broken files to count all of them.
MOST_REASONS = 100
OTHER_REASONS = "other reasons"


@dataclass
class Counts:
    """Rows by status, by reason and by label, and the sha256 of ``scores.csv``.

    ``confidences`` counts the labelled rows by confidence, cut off to hundredths. ``sample``: some of them.
    """

    files: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    confidences: Counter[str] = field(default_factory=Counter)
    sha256: str = ""
    sample: Sample = field(default_factory=Sample)
    _of_file: set[str] = field(default_factory=set)
    _repeated: Counter[str] = field(default_factory=Counter)

    def add(self, values: list[str]) -> None:
        """Count a row; those of a file come one after the other, from its first page on."""
        status = values[STATUS]
        if begins_file(values):
            self.files += 1
            self._of_file = {status}
        elif status in self._of_file:
            self._repeated[status] += 1
        else:
            self._of_file.add(status)
        self.statuses[status] += 1
        if values[LABEL]:
            if self.sample.draws_next():
                self.sample.keep(Drawn(self.files - 1, int(values[PAGE]), tuple(values[LABEL:])))
            self.labels[values[LABEL]] += 1
            self.confidences[values[CONFIDENCE][:HUNDREDTHS]] += 1
        if reason := values[REASON]:
            is_known = status == "review" or reason in self.reasons or len(self.reasons) < MOST_REASONS
            self.reasons[reason if is_known else OTHER_REASONS] += 1

    def as_shown(self) -> dict[str, Any]:
        """Give what a manifest says of them."""
        return {
            "scores_sha256": self.sha256,
            "rows": self.statuses.total(),
            "files": self.files,
            "statuses": dict(sorted(self.statuses.items())),
            "file_statuses": {status: count - self._repeated[status] for status, count in sorted(self.statuses.items())},
            "reasons": dict(self.reasons.most_common()),
            "labels": dict(sorted(self.labels.items())),
        }


def begins_file(values: list[str]) -> bool:
    """Tell whether a row is the first of its file."""
    return values[PAGE] == FIRST


def join(work: Work, shards: list[Shard], rules: Rules, out: Path) -> Counts:
    """Write both files, and count the rows. Raises PipelineError.

    Manifest and report go before they come: of other rows, they must never stand beside them.
    """
    counts, head = Counts(), csv_lines([rules.columns]).encode()
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
        for values in rows:
            counts.add(values)
            if values[STATUS] == "review":
                yield values[CONFIDENCE].encode(), csv_lines([values]).encode()
