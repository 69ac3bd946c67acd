"""From the store to the files for people, each of which is replaced in one step."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
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
# Where there are more rows than people are shown, at most so many are doubtful ones.
MOST_DOUBTFUL = MOST_SHOWN // 2
# Of a confidence, which has four places.
HUNDREDTHS = "cast(confidence * 100 + 0.00001 as integer)"
# Decoders have too many words for broken files to count all of them.
MOST_REASONS = 100
Answers = Counter[tuple[int, int]]


def write_rows(store: Store, out: Path, columns: Iterable[str]) -> str:
    """Write both CSV files, and give the sha256 of the first. Raises PipelineError.

    Manifest and report go before they come: of other rows, they must never stand beside them.
    """
    (head,) = csv_lines([columns])
    with atomic.replacing(out / SCORES) as scores, atomic.replacing(out / REVIEW) as review:
        wanted = {scores: "order by path, page", review: "where status = 'review' order by confidence, path, page"}
        for target, which in wanted.items():
            with target.open("w", encoding="utf-8", newline="") as file:
                file.write(head)
                file.writelines(line for (line,) in store.execute(f"select line from row {which}"))  # noqa: S608 - one of two
        found = sha256(scores)
        for name in (manifests.NAME, report.NAME):
            (out / name).unlink(missing_ok=True)
    return found


def count_rows(store: Store, files: int) -> tuple[dict[str, Any], Answers]:
    """Give what a manifest says of the rows, and how many have a label by that and by confidence, cut off to hundredths."""
    query = f"select label, {HUNDREDTHS}, count(*) from row where label is not null group by 1, 2"  # noqa: S608 - ours
    answers: Answers = Counter({(label, hundredths): number for label, hundredths, number in store.execute(query)})
    labels, statuses, reasons = (Counter[str]() for _ in range(3))
    for (label, _), number in answers.items():
        labels[str(label)] += number
    # In the order in which they come first, which decides between reasons that are as frequent.
    doubts = (
        "select status, reason, count(*) from row where status <> 'ok' group by 1, 2"
        " order by min(hex(path) || printf('00%08d', page))"
    )
    for status, reason, number in store.execute(doubts):
        statuses[status] += number
        reasons[reason if status == "review" or len(reasons) < MOST_REASONS else "other reasons"] += number
    ((rows,),) = store.execute("select count(*) from row")
    if ok := rows - statuses.total():
        statuses["ok"] = ok
    of_files = "select status, count(*) from (select distinct path, status from row) group by status"
    return {
        "rows": rows,
        "files": files,
        "statuses": dict(sorted(statuses.items())),
        "file_statuses": dict(sorted(statuses.items() if rows == files else store.execute(of_files))),
        "reasons": dict(reasons.most_common()),
        "labels": dict(sorted(labels.items())),
    }, answers


def suspicions(store: Store, counts: dict[str, Any], answers: Answers, maximum_share: float) -> dict[str, str]:
    """Find what speaks against the batch as a whole."""

    def most_alike(label: int, hundredths: int) -> int:
        alike = f"select count(*) from row where label = ? and {HUNDREDTHS} = ? group by pixels"  # noqa: S608 - ours
        return max(int(count) for (count,) in store.execute(alike, [label, hundredths]))

    readable = counts["rows"] - counts["statuses"].get("error", 0)
    doubtful = suspicion.find_doubtful(readable, Counter(counts["reasons"]), maximum_share)
    return doubtful | suspicion.find_identical(answers, most_alike, maximum_share)


def drift(*given: Any) -> dict[str, Any]:
    """Compare the batch with what is usual, as ``comparison.of_batch`` does: where numpy is, if it may."""
    from pipeline.scoring import comparison

    return comparison.of_batch(*given)


def write_report(
    store: Store,
    out: Path,
    folder: Path,
    manifest: Callable[[], manifests.Manifest],
    rows: int,
    answers: Answers,
    reviewed: report.Reviewed | None = None,
) -> str:
    """Write the report, or say why there is none: scores stand without it. ``manifest``, ``reviewed``: as the report has it."""
    confidences = Counter[int]()
    for (_, hundredths), number in answers.items():
        confidences[hundredths] += number
    try:
        if not store.has_room:
            raise PipelineError(f"{shown(out / report.NAME)}: no room for the pictures. Make room on the disk, then run again.")
        report.write(out, folder, manifest, confidences, _pictures(store, rows), reviewed)
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
    names = (f"scores.edited{number or ''}.csv" for number in count())
    name = next(name for name in names if not (out / name).exists())
    with atomic.replacing(out / name) as temporary:
        shutil.copyfile(out / SCORES, temporary)
    return name


def is_edited(out: Path, manifest: manifests.Manifest) -> bool:
    """Tell whether somebody changed ``scores.csv`` since it was written with this manifest."""
    return (out / SCORES).exists() and sha256(out / SCORES) != manifest.scores_sha256
