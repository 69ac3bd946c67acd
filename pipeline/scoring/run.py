"""A run of scoring: list, find what is new, score it in shards, export all rows from the store.

A picture's way to its row, in ten modules: this one; ``listing``, which finds its file; ``store``, which tells that it is new;
``shard``, and ``page``, which reads the file; of ``digits``: ``pictures/files/decoding``, ``pictures/normalising``,
``network/answers`` and ``pictures/trust``; and ``export``, which writes the row into the CSV.
"""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from os import fsencode
from typing import Any

from pipeline import cores, exclusive, layout
from pipeline.names import shown
from pipeline.registry.contents import ScoringModel
from pipeline.reports import batch as report
from pipeline.scoring import executors, export, files, shard
from pipeline.scoring import manifest as manifests
from pipeline.scoring.batch import Batch, hash_of, require
from pipeline.scoring.executors import Executor
from pipeline.scoring.manifest import Manifest
from pipeline.scoring.row import share_compared, share_shown
from pipeline.scoring.shard import Shard
from pipeline.scoring.store import Plan, Store, opened

LOCK_FILE = ".lock"
# What a run that was killed was writing, and what earlier versions of this program kept beside the scores.
LEFT = (".*.[0-9]*.tmp", ".source", ".listing", ".parts-*")

# The longest that it may take to find what is in an archive, in seconds: a million pictures take half a minute.
MOST_SECONDS = 600


@dataclass
class Progress:
    """Files so far, of all, ``began_at`` of them kept from earlier; and the rows of the others, by status.

    ``remarks``: what a person should know, in the order in which it came up.
    """

    total: int
    done: int = 0
    began_at: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)


Tell = Callable[[Progress], None]


def score(batch: Batch, model: ScoringModel, tell: Tell, early: Executor | None = None) -> Manifest:
    """Score a batch and write its files; what an earlier run scored in the same way, finished or not, is not scored again.

    ``tell`` is called after each shard; ``early`` are processes that were started already. Raises PipelineError when the
    output cannot be written, holds the scores of something else, or another run is writing it.
    """
    started, options, source = time.monotonic(), batch.options, layout.place_of(batch.given)
    remarks: list[str] = []
    with _claimed(batch) as store, ExitStack() as stack:
        if options.cluster:
            from pipeline.scoring.cluster import Cluster

            early = stack.enter_context(closing(Cluster(options.cluster, layout.words_of(batch.given), remarks)))
        store.begin(source, model.version, batch.method, batch.listing, is_fresh=options.fresh)
        early = _look_into_archives(batch, store, early, stack)
        plan = store.plan(has_pictures=options.report)
        kept = plan.reused + plan.resumed
        progress = Progress(plan.files, kept, kept, remarks=remarks)
        workers = _score_new(batch, model, store, plan, progress, tell, early)
        bounds = batch.settings.drift_significance, batch.settings.drift_effect
        comparison = partial(export.drift, batch.out, model.profile, model.sha256, batch.rules.minimum_confidence, *bounds)
        return _export(batch, store, model, plan, progress, workers, executors.at_last(early, comparison), started)


def _look_into_archives(batch: Batch, store: Store, early: Executor | None, stack: ExitStack) -> Executor | None:
    """Find what is in archives that are new, and give the processes that were started for it, if any."""
    asked, archives = batch.options.workers, store.unopened()
    is_little = sum(size for _, size in archives) <= executors.FEW_BYTES
    if not early and not is_little:
        early = stack.enter_context(executors.early(asked or cores.usable()))
    suffixes = tuple(batch.settings.image_suffixes)
    task = partial(files.look_into, folder=_place_of(batch), suffixes=suffixes, maximum_bytes=batch.rules.maximum_bytes)
    shards = [Shard((path,)) for path, _ in archives]
    with (
        executors.chosen(early, asked, len(shards), is_little=is_little) as executor,
        closing(executor.run(task, shards, MOST_SECONDS)) as results,
    ):
        for found in results:
            store.keep(found)
    store.add_left_out(batch.listing)
    return early


def _score_new(
    batch: Batch, model: ScoringModel, store: Store, plan: Plan, progress: Progress, tell: Tell, early: Executor | None
) -> int:
    """Score the files without rows, keep what comes of them, and give the number of processes that it took."""
    asked = batch.options.workers
    needed = len(list(islice(store.shards(batch.settings.shard_size), asked or cores.usable())))
    # Not this process where it may have ended the last run.
    is_little = plan.pending <= executors.FEW and plan.size <= executors.FEW_BYTES and not plan.is_resumed
    share = share_shown(plan.files) if batch.options.report else None
    known = partial(shard.score, folder=_place_of(batch), model=(model.version, model.content))
    task = partial(known, rules=batch.rules, shown_share=share, compared_share=share_compared(plan.files))
    with executors.chosen(early, asked, needed, is_little=is_little) as executor:
        results = executor.run(task, store.shards(batch.settings.shard_size), batch.rules.maximum_seconds)
        with closing(results):
            for scored in results:
                store.write(scored)
                progress.done += scored.files
                progress.statuses.update(scored.statuses)
                tell(progress)
                if batch.options.report:
                    report.get_ready()  # once, while the others go on
    return executor.workers


def _place_of(batch: Batch) -> bytes:
    """Give the folder as other machines find it, where they are to."""
    is_elsewhere = batch.options.cluster and not layout.address_of(batch.folder)
    return fsencode(batch.folder.resolve() if is_elsewhere else batch.folder)


@contextmanager
def _claimed(batch: Batch) -> Iterator[Store]:
    """Keep other runs out, open the store, and remove what a run that was killed left."""
    busy = f"{shown(batch.out)}: another run is writing its scores here. Wait for it, or name another --out."
    with exclusive.held(batch.out / LOCK_FILE, busy), opened(batch.out, is_written=True) as store:
        require(store, batch.out, batch.given)
        for left in (path for pattern in LEFT for path in batch.out.glob(pattern)):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        yield store


def _export(
    batch: Batch,
    store: Store,
    model: ScoringModel,
    plan: Plan,
    progress: Progress,
    workers: int,
    drift: Callable[[], dict[str, Any]],
    started: float,
) -> Manifest:
    edited = export.set_aside(batch.out)
    scores_sha256 = export.write_rows(store, batch.out, batch.rules.columns)
    counts, answers = export.count_rows(store, plan.files)
    seconds = time.monotonic() - started
    known = Manifest(
        folder=layout.words_of(batch.given),
        dataset=model.dataset,
        model=model.version,
        model_sha256=model.sha256,
        model_remark=model.remark,
        settings=batch.rules.as_shown(),
        method=batch.method,
        fingerprint=hash_of(batch.method, scores_sha256),
        scores_sha256=scores_sha256,
        **counts,
        **batch.listing.as_shown(),
        reused=plan.reused,
        resumed=plan.resumed,
        scored=plan.pending,
        workers=workers,
        seconds=round(seconds, 3),
        images_per_second=round(progress.statuses.total() / seconds, 1),
        edited=edited,
        suspicions=export.suspicions(store, counts, answers, batch.settings.maximum_suspect_share),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )

    def compared() -> Manifest:
        return replace(known, drift=drift())

    fault = ""
    if batch.options.report:
        fault = export.write_report(store, batch.out, batch.folder, compared, known.rows, answers)
    manifest = replace(compared(), report_fault=fault)
    manifests.write(batch.out, manifest)
    store.finish(manifest.to_json())
    return manifest
