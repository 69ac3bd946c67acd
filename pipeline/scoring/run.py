"""A run of scoring: list, find what is new, score it in shards, join all rows into ``scores.csv``."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TypeVar

from pipeline import atomic, exclusive
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score
from pipeline.registry.contents import ScoringModel
from pipeline.reports import html
from pipeline.scoring import manifest as manifests
from pipeline.scoring import report, runner, sheet, source, suspicion
from pipeline.scoring.batch import LISTING, Batch, Options, fingerprint
from pipeline.scoring.job import Job
from pipeline.scoring.join import REVIEW, SCORES, Counts, join, sha256
from pipeline.scoring.lines import Shard
from pipeline.scoring.listing import read_listing
from pipeline.scoring.manifest import Manifest
from pipeline.scoring.process import Worker
from pipeline.scoring.reuse import Rows, merge
from pipeline.scoring.work import PREFIX, Work, of_one_file

LOCK_FILE = ".lock"
EDITED = "scores.edited"


@dataclass
class Progress:
    """Files so far, of all, ``began_at`` of them kept from earlier; and the rows of the others, by status."""

    total: int
    done: int = 0
    began_at: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


Tell = Callable[[Progress], None]
Written = TypeVar("Written")


def score(batch: Batch, model: ScoringModel, tell: Tell, early: Sequence[Worker] = ()) -> Manifest:
    """Score a batch and write its files; what an earlier run scored in the same way, finished or not, is not scored again.

    ``tell`` is called after each shard; ``early`` are workers that were started already. Raises PipelineError when the output
    cannot be written, holds the scores of something else, or another run is writing it.
    """
    busy = f"{shown(batch.out)}: another run is writing its scores here. Wait for it, or name another --out."
    with exclusive.held(batch.out / LOCK_FILE, busy):
        source.claim(batch.scores, batch.given)
        started = time.monotonic()
        is_resumed = _begin(batch)
        shards = list(batch.work.shards(batch.shard_size))
        todo = [shard for shard in shards if not batch.work.part(shard).exists()]
        workers = _workers(batch.options, todo, len(early), is_resumed=is_resumed)
        with runner.started(max(0, workers - len(early))) as late:
            rows = _score_shards(batch, model, todo, [*early, *late][:workers], tell)
        edited = _set_aside(batch)
        counts = _with_room(batch.work, partial(join, batch.work, shards, batch.rules, batch.out))
        _with_room(batch.work, partial(_copy, batch.work.listing, batch.out / LISTING))
        pending, scored = (sum(shard.count for shard in some) for some in (shards, todo))
        seconds = time.monotonic() - started
        manifest = Manifest(
            folder=shown(source.place_of(batch.given)),
            dataset=model.dataset,
            model=model.version,
            model_sha256=model.sha256,
            settings=batch.rules.as_shown(),
            method=batch.method,
            fingerprint=batch.fingerprint,
            **counts.as_shown(),
            **batch.listing.as_shown(),
            reused=batch.listing.images - pending,
            resumed=pending - scored,
            scored=scored,
            workers=workers,
            seconds=round(seconds, 3),
            images_per_second=round(rows / seconds, 1),
            edited=edited,
            suspicions=_suspicions(batch, counts),
        )
        if batch.options.report:
            manifest = _report(batch, shards, manifest, counts)
        manifests.write(batch.out, manifest)
        batch.work.remove()
        return manifest


def too_many_errors(manifest: Manifest, settings: Score) -> str:
    """Say that more rows failed than may, or nothing."""
    if manifest.error_share <= settings.maximum_error_share:
        return ""
    return (
        f"{manifest.statuses['error']} of {manifest.rows} images could not be read, more than the allowed share of "
        f"{settings.maximum_error_share:g} (score.maximum_error_share in params.yaml); the rows are written"
    )


def _begin(batch: Batch) -> bool:
    """Make the folder of the run, and remove those of others. Returns True where it stands already, of an interrupted run."""
    stands = batch.work.folder.exists()
    if not stands:
        batch.work.begin(batch.listing, iter(()) if batch.options.fresh else _known(batch))
    for other in batch.out.glob(f"{PREFIX}*"):
        if other != batch.work.folder:
            Work(other).remove()
    _tidy(batch.out)
    return stands


def _tidy(out: Path) -> None:
    """Remove what a run that was killed was writing."""
    for name in (SCORES, REVIEW, LISTING, manifests.NAME, source.NAME, report.NAME):
        for left in out.glob(f".{name}.*.tmp"):
            left.unlink(missing_ok=True)
    for left in out.glob(f".{PREFIX}*.tmp"):
        shutil.rmtree(left, ignore_errors=True)


def _known(batch: Batch) -> Iterator[Rows]:
    """Give the rows that were scored in this way before, finished or not, with what people are shown of them.

    What they would be shown and was not kept is scored again.
    """
    interrupted = [Work(folder) for folder in batch.out.glob(f"{PREFIX}{batch.method[:16]}-*")]
    known: list[tuple[Iterator[Rows], Iterator[bytes]]] = [
        (work.rows(work.parts()), chain.from_iterable(map(sheet.read, work.sheets()))) for work in interrupted
    ]
    manifest = manifests.read(batch.out)
    if manifest and manifest.method == batch.method and _stands(batch, manifest):
        rows = of_one_file(batch.scores, read_listing(batch.out / LISTING), has_head=True)
        known.append((rows, html.lines_of(batch.report)))
    if not batch.options.report:
        return merge(*(rows for rows, _ in known))
    return merge(*(sheet.with_sheet_lines(rows, lines, batch.listing.images) for rows, lines in known))


def _stands(batch: Batch, manifest: Manifest) -> bool:
    """Tell whether the last run's files are as it left them."""
    try:
        is_same = fingerprint(manifest.method, sha256(batch.out / LISTING)) == manifest.fingerprint
        return is_same and sha256(batch.scores) == manifest.scores_sha256
    except FileNotFoundError:
        return False


def _set_aside(batch: Batch) -> str:
    """Keep what somebody made of ``scores.csv`` since it was written, and give the name that it has then."""
    manifest = manifests.read(batch.out)
    if manifest is None or not batch.is_edited(manifest):
        return ""
    names = (f"{EDITED}{number or ''}.csv" for number in count())
    name = next(name for name in names if not (batch.out / name).exists())
    _with_room(batch.work, partial(_copy, batch.scores, batch.out / name))
    return name


def _copy(file: Path, target: Path) -> None:
    with atomic.replacing(target) as temporary:
        shutil.copyfile(file, temporary)


def _suspicions(batch: Batch, counts: Counts) -> dict[str, str]:
    """Find what speaks against the batch as a whole."""
    readable, share = counts.statuses.total() - counts.statuses["error"], batch.maximum_suspect_share
    return suspicion.find(readable, counts.reasons, share) | suspicion.find_identical(
        counts.sample.rows, batch.work.listing, batch.folder, batch.rules, share
    )


def _report(batch: Batch, shards: list[Shard], manifest: Manifest, counts: Counts) -> Manifest:
    """Write the report. Scores stand without it: the manifest says why there is none."""
    lines = sheet.choose(batch.work.sheets(), manifest.rows)
    try:
        if not batch.work.has_sheets_of(shards):
            raise PipelineError(f"{shown(batch.report)}: no room for the pictures. Make room on the disk, then run again.")
        report.write(batch.out, batch.folder, manifest, counts.confidences, lines)
    except PipelineError as fault:
        return replace(manifest, report_fault=str(fault))
    return manifest


def _with_room(work: Work, write: Callable[[], Written]) -> Written:
    """Write rows, and where that is refused, once more in the room that the pictures took: rows matter more."""
    try:
        return write()
    except PipelineError:
        if not sheet.remove(work.folder):
            raise
        return write()


def _workers(options: Options, shards: list[Shard], at_hand: int, *, is_resumed: bool) -> int:
    """Give the number of processes, of which some are ``at_hand``; 0 for this one, but not where it may have crashed."""
    is_little = sum(shard.count for shard in shards) <= runner.FEW and sum(shard.size for shard in shards) <= runner.FEW_BYTES
    if options.workers is None and is_little and not is_resumed:
        return min(at_hand, len(shards))
    return min(options.workers or runner.cores(), len(shards))


def _score_shards(batch: Batch, model: ScoringModel, shards: list[Shard], workers: list[Worker], tell: Tell) -> int:
    """Write the parts that are not there yet. Returns how many rows those have."""
    share = sheet.share_of(batch.listing.images) if batch.options.report else None
    job = Job(batch.folder, batch.work.pending, model.version, model.content, batch.rules, share)
    results = runner.in_workers(job, iter(shards), workers) if workers else runner.here(job, iter(shards))
    done = batch.listing.images - sum(shard.count for shard in shards)
    progress = Progress(batch.listing.images, done, began_at=done)
    with closing(results):
        for shard, scored in results:
            if batch.options.report:
                html.load(report.TEMPLATE)  # once, while the workers go on
            _with_room(batch.work, partial(atomic.write_text, batch.work.part(shard), scored.rows))
            progress.done += shard.count
            progress.statuses.update(scored.statuses)
            tell(progress)
    return progress.statuses.total()
