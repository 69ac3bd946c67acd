"""A run of scoring: list, cut into shards, score each into a part file, join the parts into ``scores.csv``."""

import csv
import hashlib
import io
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline import atomic, layout
from pipeline.digits.model import Classifier
from pipeline.errors import PipelineError
from pipeline.params import Score
from pipeline.registry import ScoringModel
from pipeline.scoring import manifest as manifests
from pipeline.scoring.listing import Listing, list_images
from pipeline.scoring.manifest import Manifest
from pipeline.scoring.shard import COLUMNS, Rules, Shard, csv_line, csv_lines, score_shard

SCORES = "scores.csv"
PARTS = ".parts-"
LOCK = ".lock"
Progress = Callable[[int, int], None]


class NothingToScoreError(PipelineError):
    """A folder without a picture."""


@dataclass(frozen=True)
class Batch:
    """A folder about to be scored into ``out``; ``fingerprint`` stands for its pictures, the model and the settings."""

    folder: Path
    out: Path
    listing: Listing
    fingerprint: str

    @property
    def scores(self) -> Path:
        """Where the rows go."""
        return self.out / SCORES

    @property
    def parts(self) -> Path:
        """Where the rows of finished shards wait for the others."""
        return self.out / f"{PARTS}{self.fingerprint[:16]}"

    def part(self, shard: Shard) -> Path:
        """Where the rows of one shard wait."""
        return self.parts / f"{shard.index:08d}.csv"

    def finished(self) -> Manifest | None:
        """Give the manifest of an earlier run that scored exactly this, if there was one."""
        manifest = manifests.read(self.out)
        return manifest if manifest and manifest.fingerprint == self.fingerprint and self.scores.exists() else None


def default_out(folder: Path) -> Path:
    """Give the folder that the scores of ``folder`` go to unless told otherwise: ``data/scores/NAME``.

    Raises PipelineError when the scores of another folder of that name are there.
    """
    out = layout.SCORES / folder.resolve().name
    manifest = manifests.read(out)
    if manifest and Path(manifest.folder).resolve() != folder.resolve():
        raise PipelineError(f"{out}: holds the scores of {manifest.folder}. Name another folder with --out.")
    return out


def prepare(folder: Path, out: Path, model: ScoringModel, settings: Score) -> Batch:
    """List the pictures of a folder. Raises NothingToScoreError when there are none."""
    listing = list_images(folder, settings.image_suffixes, leave_out=out)
    if not listing.images:
        unread = f", {len(listing.unreadable_folders)} unreadable folders" if listing.unreadable_folders else ""
        raise NothingToScoreError(
            f"{folder}: no images to score ({listing.ignored} other files, {listing.symbolic_links} symbolic links{unread}). "
            f"An image ends in one of: {' '.join(settings.image_suffixes)}."
        )
    identity = (
        f"{manifests.SCHEMA_VERSION} {model.version} {model.sha256} {model.temperature} {settings!r} {listing.fingerprint}"
    )
    return Batch(folder, out, listing, hashlib.sha256(identity.encode()).hexdigest())


def score(batch: Batch, model: ScoringModel, settings: Score, progress: Progress) -> Manifest:
    """Score a batch and write ``scores.csv`` and ``manifest.json``; shards that an interrupted run finished are kept.

    ``progress`` is told the pictures done and their number after each shard. Raises PipelineError when the output cannot be
    written, or another run is writing it.
    """
    with _alone(batch.out):
        return _score(batch, model, settings, progress)


def _score(batch: Batch, model: ScoringModel, settings: Score, progress: Progress) -> Manifest:
    started = time.monotonic()
    # The old one goes first, so that a run stopped before it writes its own never leaves rows beside another run's manifest.
    (batch.out / manifests.NAME).unlink(missing_ok=True)
    _remove_other_parts(batch)
    classifier = Classifier(model.content)
    rules = Rules(model.temperature, settings.minimum_confidence, settings.maximum_pixels)
    for shard in shards(batch, settings.shard_size):
        if not batch.part(shard).exists():
            _write_part(batch.part(shard), shard, classifier, model.version, rules)
        progress(shard.index * settings.shard_size + len(shard.paths), len(batch.listing.images))
    statuses, labels = _join(batch, settings.shard_size)
    seconds = time.monotonic() - started
    rows = statuses.total()
    manifest = Manifest(
        folder=str(batch.folder),
        dataset=model.dataset,
        model=model.version,
        model_sha256=model.sha256,
        parameters={"minimum_confidence": settings.minimum_confidence, "maximum_pixels": settings.maximum_pixels},
        fingerprint=batch.fingerprint,
        rows=rows,
        statuses=dict(sorted(statuses.items())),
        labels=dict(sorted(labels.items())),
        ignored=batch.listing.ignored,
        symbolic_links=batch.listing.symbolic_links,
        unreadable_folders=batch.listing.unreadable_folders,
        seconds=round(seconds, 3),
        images_per_second=round(rows / seconds, 1),
    )
    manifests.write(batch.out, manifest)
    shutil.rmtree(batch.parts, ignore_errors=True)
    return manifest


def shards(batch: Batch, size: int) -> Iterator[Shard]:
    """Cut the pictures of a batch into runs of ``size``, in order."""
    paths = batch.listing.images
    for index, start in enumerate(range(0, len(paths), size)):
        yield Shard(index, batch.folder, paths[start : start + size])


def too_many_errors(manifest: Manifest, settings: Score) -> str:
    """Say that more rows failed than may, or nothing."""
    if manifest.error_share <= settings.maximum_error_share:
        return ""
    return (
        f"{manifest.statuses['error']} of {manifest.rows} images could not be read, more than the allowed share of "
        f"{settings.maximum_error_share:g} (score.maximum_error_share in params.yaml); the rows are written"
    )


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep a second run out of the output. Raises PipelineError when there is one already."""
    with atomic.refusals_of(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise PipelineError(f"{out}: another run is writing its scores here. Wait for it, or name another --out.") from None
    try:
        yield
    finally:
        lock.release()


def _write_part(part: Path, shard: Shard, classifier: Classifier, model: str, rules: Rules) -> None:
    atomic.write_text(part, csv_lines(score_shard(shard, classifier, model, rules)))


def _join(batch: Batch, shard_size: int) -> tuple[Counter[str], Counter[str]]:
    """Write ``scores.csv`` from the parts, and count statuses and labels."""
    statuses: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    status, label = COLUMNS.index("status"), COLUMNS.index("label")
    with atomic.replacing(batch.scores) as temporary, temporary.open("wb") as file:
        file.write(csv_line(COLUMNS).encode())
        for shard in shards(batch, shard_size):
            part = batch.part(shard).read_bytes()
            file.write(part)
            for row in csv.reader(io.StringIO(part.decode(), newline="")):
                statuses[row[status]] += 1
                if row[label]:
                    labels[row[label]] += 1
    return statuses, labels


def _remove_other_parts(batch: Batch) -> None:
    for folder in batch.out.glob(f"{PARTS}*"):
        if folder != batch.parts:
            shutil.rmtree(folder, ignore_errors=True)
