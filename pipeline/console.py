"""What a person sees of a scoring run: how far it is, and at the end its outcome."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import layout, terminal
from pipeline.errors import PipelineError
from pipeline.names import counted, shown
from pipeline.registry import versions

if TYPE_CHECKING:
    from pipeline.labelled.overview import Overview
    from pipeline.params import Score
    from pipeline.registry.contents import ScoringModel
    from pipeline.scoring.batch import Batch
    from pipeline.scoring.manifest import Manifest
    from pipeline.scoring.processes import Processes
    from pipeline.scoring.run import Progress, Tell

SECONDS_BETWEEN_LINES = 10
MOST_REASONS = 10
STATUSES = ("ok", "review", "error")
# Columns from which the bar has the counts by status too.
COUNTS_FROM = 100


def score(batch: "Batch", model: "ScoringModel", early: "Processes | None") -> "Manifest":
    """Score a batch, and show how far it is."""
    from pipeline.scoring import run

    with progress() as tell:
        manifest = run.score(batch, model, tell, early)
    if fault := publish_answers(batch.out):
        terminal.say(f"warning: {fault}")
    return manifest


def publish_answers(out: Path) -> str:
    """Write what was keyed into manifest and report of new scores, or say why not: the scores stand without it."""
    if not (out / layout.ANSWERS).exists():
        return ""
    from pipeline.review import summary

    try:
        summary.publish(out)
    except PipelineError as fault:
        return f"what was keyed is not in the report: {fault}"
    return ""


@contextmanager
def progress() -> "Iterator[Tell]":
    """Give the function that shows progress on standard error: a bar in a terminal, else a line every ten seconds."""
    if terminal.is_quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as tell:
            yield tell
    else:
        yield ticker(terminal.say)


def ticker(write: Callable[[str], None]) -> "Tell":
    """Give the function that writes a line of progress every ten seconds from now on."""
    began = last = time.monotonic()
    said = 0

    def tell(progress: "Progress") -> None:
        nonlocal last, said
        for remark in progress.remarks[said:]:
            write(remark)
        said = len(progress.remarks)
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            write(words(progress, last - began))

    return tell


def words(progress: "Progress", seconds: float) -> str:
    """Say how far a run is after some seconds."""
    rate = (progress.done - progress.began_at) / seconds
    left = f"{(progress.total - progress.done) / rate:.0f} s left" if rate else "nothing new yet"
    return f"{progress.done} of {progress.total} files, {_rate(progress, seconds)}, {left}: {_counts(progress)}"


def summary(batch: "Batch", manifest: "Manifest") -> None:
    """Print the counts, the places of the files, and warnings."""
    from pipeline.scoring import export

    has_pages = manifest.files != manifest.rows
    rows = [
        (status, str(manifest.statuses[status]), str(manifest.file_statuses[status]))
        for status in STATUSES
        if status in manifest.statuses
    ]
    reasons = [(reason, str(number), "") for reason, number in islice(manifest.reasons.items(), MOST_REASONS)]
    if (others := len(manifest.reasons) - MOST_REASONS) > 0:
        reasons.append((f"and {counted(others, 'other reason')}", "", ""))
    columns = ("status or reason", "images", "files")[: 3 if has_pages else 2]
    terminal.table(columns, [*rows, *reasons], section=len(rows))
    is_new = not batch.finished
    effort = _effort(manifest) if is_new else "nothing changed since these scores were written"
    size = f"{manifest.size_words} with {versions.NAME} {manifest.model} ({manifest.dataset}): {effort}"
    terminal.lay(*filter(None, (size, manifest.drift_words)))
    _name_files(batch, manifest)
    if not is_new and export.is_edited(batch.out, manifest):
        terminal.lay("scores.csv itself was changed; --fresh writes it anew, and keeps what it is now beside it")
    if is_new and manifest.edited:
        terminal.lay(f"what somebody made of the last scores.csv is kept in {shown(batch.out / manifest.edited)}")
    warnings = [f"warning: {words}" for words in manifest.warnings]
    terminal.lay(*filter(None, (batch.store_words, *warnings, batch.listing.unread_words)))


def too_many_errors(manifest: "Manifest", settings: "Score") -> str:
    """Say that more rows failed than may, or nothing."""
    if manifest.error_share <= settings.maximum_error_share:
        return ""
    return (
        f"{manifest.statuses['error']} of {manifest.rows} images could not be read, more than the allowed share of "
        f"{settings.maximum_error_share:g} (score.maximum_error_share in params.yaml); the rows are written"
    )


def _name_files(batch: "Batch", manifest: "Manifest") -> None:
    from pipeline.reports import batch as report
    from pipeline.scoring.export import REVIEW, SCORES

    for name, is_there in (
        (SCORES, True),
        (REVIEW, "review" in manifest.statuses),
        (report.NAME, (batch.out / report.NAME).exists()),
    ):
        if is_there:
            print(shown(batch.out / name))


def _effort(manifest: "Manifest") -> str:
    reused = f", {manifest.reused} as they were" if manifest.reused else ""
    resumed = f", {manifest.resumed} of an interrupted run" if manifest.resumed else ""
    return f"{manifest.scored} scored in {manifest.seconds:.1f} s{reused}{resumed}"


def _rate(progress: "Progress", seconds: float) -> str:
    return f"{progress.statuses.total() / seconds:.0f} images/s"


def _counts(progress: "Progress") -> str:
    return ", ".join(f"{progress.statuses[status]} {status}" for status in STATUSES)


@contextmanager
def _bar() -> "Iterator[Tell]":
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files"),
        TextColumn("{task.fields[rate]}"),
        *([TextColumn("{task.fields[counts]}")] if console.width >= COUNTS_FROM else []),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, rate="", counts="")
        began = time.monotonic()
        said = 0

        def tell(progress: "Progress") -> None:
            nonlocal said
            for remark in progress.remarks[said:]:
                bar.console.print(escape(remark))
            said = len(progress.remarks)
            rate = _rate(progress, time.monotonic() - began)
            bar.update(task, completed=progress.done, total=progress.total, rate=rate, counts=_counts(progress))

        yield tell


def labelled(folders: "Sequence[Overview]") -> None:
    """Print what own labelled scans there are."""
    if not folders:
        terminal.lay("There are no labelled scans yet. `digits collect FOLDER --as NAME` copies some in.")
        return
    digits = tuple(map(str, range(10)))
    columns = ("folder", "scans", *digits, "learned", "added", "from")
    rows = [(one.name, str(sum(one.digits)), *map(str, one.digits), str(one.learned), one.added, one.origin) for one in folders]
    terminal.table(columns, rows, wide=(*digits, "from"), instead="`digits collect --list | cat`")
