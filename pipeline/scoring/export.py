"""From the store to the files for people, each of which is replaced in one step."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pipeline import atomic
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.quality import suspicion
from pipeline.reports import batch as report
from pipeline.scoring import manifest as manifests
from pipeline.scoring.row import MOST_SHOWN, csv_lines
from pipeline.scoring.store import Store

SCORES = "scores.csv"
REVIEW = "review.csv"
EDITED = "scores.edited"
# Where there are more rows than people are shown, at most so many are doubtful ones.
MOST_DOUBTFUL = 5000
# Of a confidence, which has four places.
HUNDREDTHS = "cast(confidence * 100 + 0.00001 as integer)"
# Decoders have too many words for broken files to count all of them.
MOST_REASONS = 100
OTHER_REASONS = "other reasons"


@dataclass
class Counts:
    """Rows by status, by reason and by label, and the sha256 of ``scores.csv``.

    ``answers`` counts the labelled rows by label and by confidence, cut off to hundredths.
    """

    files: int
    sha256: str
    statuses: Counter[str] = field(default_factory=Counter)
    file_statuses: dict[str, int] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    answers: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def confidences(self) -> Counter[int]:
        """Count the labelled rows by confidence alone."""
        found: Counter[int] = Counter()
        for (_, hundredths), number in self.answers.items():
            found[hundredths] += number
        return found

    def as_shown(self) -> dict[str, Any]:
        """Give what a manifest says of them."""
        return {
            "scores_sha256": self.sha256,
            "rows": self.statuses.total(),
            "files": self.files,
            "statuses": dict(sorted(self.statuses.items())),
            "file_statuses": dict(sorted(self.file_statuses.items())),
            "reasons": dict(self.reasons.most_common()),
            "labels": dict(sorted(self.labels.items())),
        }


def write_rows(store: Store, out: Path, columns: Iterable[str]) -> str:
    """Write both CSV files, and give the sha256 of the first. Raises PipelineError.

    Manifest and report go before they come: of other rows, they must never stand beside them.
    """
    (head,) = csv_lines([columns])
    with atomic.replacing(out / SCORES) as scores, atomic.replacing(out / REVIEW) as review:
        for target, which in (
            (scores, "order by path, page"),
            (review, "where status = 'review' order by confidence, path, page"),
        ):
            with target.open("w", encoding="utf-8", newline="") as file:
                file.write(head)
                file.writelines(line for (line,) in store.execute(f"select line from row {which}"))  # noqa: S608 - one of two
        found = sha256(scores)
        for name in (manifests.NAME, report.NAME):
            (out / name).unlink(missing_ok=True)
    return found


def count_rows(store: Store, files: int, scores_sha256: str) -> Counts:
    """Count the rows."""
    counts = Counts(files, scores_sha256)
    answers = f"select label, {HUNDREDTHS}, count(*) from row where label is not null group by 1, 2"  # noqa: S608 - ours
    for label, hundredths, number in store.execute(answers):
        counts.labels[str(label)] += number
        counts.answers[label, hundredths] += number
    # In the order in which they come first, which decides between reasons that are as frequent.
    doubts = (
        "select status, reason, count(*) from row where status <> 'ok' group by 1, 2"
        " order by min(hex(path) || printf('00%08d', page))"
    )
    for status, reason, number in store.execute(doubts):
        counts.statuses[status] += number
        is_named = status == "review" or len(counts.reasons) < MOST_REASONS
        counts.reasons[reason if is_named else OTHER_REASONS] += number
    ((rows,),) = store.execute("select count(*) from row")
    if ok := rows - counts.statuses.total():
        counts.statuses["ok"] = ok
    of_files = "select status, count(*) from (select distinct path, status from row) group by status"
    counts.file_statuses = dict(counts.statuses) if rows == files else dict(store.execute(of_files))
    return counts


def suspicions(store: Store, counts: Counts, maximum_share: float) -> dict[str, str]:
    """Find what speaks against the batch as a whole."""
    readable = counts.statuses.total() - counts.statuses["error"]
    doubtful = suspicion.find_doubtful(readable, counts.reasons, maximum_share)

    def most_alike(label: int, hundredths: int) -> int:
        alike = f"select count(*) from row where label = ? and {HUNDREDTHS} = ? group by pixels"  # noqa: S608 - ours
        return max(int(count) for (count,) in store.execute(alike, [label, hundredths]))

    return doubtful | suspicion.find_identical(counts.answers, most_alike, maximum_share)


def write_report(store: Store, out: Path, folder: Path, manifest: manifests.Manifest, counts: Counts) -> str:
    """Write the report, or say why there is none: scores stand without it."""
    try:
        if not store.has_room:
            raise PipelineError(f"{shown(out / report.NAME)}: no room for the pictures. Make room on the disk, then run again.")
        report.write(out, folder, manifest, counts.confidences, _pictures(store, manifest.rows))
    except PipelineError as fault:
        return str(fault)
    return ""


def _pictures(store: Store, rows: int) -> report.Pictures:
    """Give line, field and thumbnail of the rows that people are shown: all, or the most doubtful and some others."""
    if rows <= MOST_SHOWN:
        return store.execute("select line, field, thumbnail from picture cross join row using (path, page) order by path, page")
    chosen = (
        "select path, page from picture cross join row using (path, page) where status {} 'ok' order by {}, path, page limit ?"
    )
    store.execute("create temp table shown (path blob, page integer)")
    doubtful = store.execute(f"insert into shown {chosen.format('<>', 'coalesce(confidence, 1)')}", [MOST_DOUBTFUL]).rowcount
    store.execute(f"insert into shown {chosen.format('=', 'chance(path)')}", [MOST_SHOWN - doubtful])
    return store.execute(
        "select line, field, thumbnail from shown join picture using (path, page) join row using (path, page)"
        " order by path, page"
    )


def sha256(file: Path) -> str:
    """Hash a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def set_aside(out: Path) -> str:
    """Keep what somebody made of ``scores.csv`` since it was written, and give the name that it has then."""
    manifest = manifests.read(out)
    if manifest is None or not is_edited(out, manifest):
        return ""
    names = (f"{EDITED}{number or ''}.csv" for number in count())
    name = next(name for name in names if not (out / name).exists())
    with atomic.replacing(out / name) as temporary:
        shutil.copyfile(out / SCORES, temporary)
    return name


def is_edited(out: Path, manifest: manifests.Manifest) -> bool:
    """Tell whether somebody changed ``scores.csv`` since it was written with this manifest."""
    return (out / SCORES).exists() and sha256(out / SCORES) != manifest.scores_sha256
