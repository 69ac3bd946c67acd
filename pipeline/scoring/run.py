"""A run of scoring: list, cut into shards, score each into a part file, join the parts into ``scores.csv``."""

import csv
import hashlib
import io
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline import atomic, layout
from pipeline.digits.model import Classifier
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score
from pipeline.registry import ScoringModel
from pipeline.scoring import manifest as manifests
from pipeline.scoring import source, version
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
    """A folder about to be scored into ``out``; ``fingerprint`` stands for all that decides on its rows."""

    folder: Path
    out: Path
    listing: Listing
    rules: Rules
    shard_size: int
    fingerprint: str

    @property
    def scores(self) -> Path:
        """Where the rows go."""
        return self.out / SCORES

    @property
    def parts(self) -> Path:
        """Where the rows of finished shards wait for the others."""
        return self.out / f"{PARTS}{self.fingerprint[:16]}-{self.shard_size}"

    @property
    def shards(self) -> Iterator[Shard]:
        """The pictures in runs of ``shard_size``, in order."""
        for index, start in enumerate(range(0, len(self.listing.images), self.shard_size)):
            yield Shard(index, self.folder, self.listing.images[start : start + self.shard_size])

    def part(self, shard: Shard) -> Path:
        """Where the rows of one shard wait."""
        return self.parts / f"{shard.index:08d}.csv"

    def finished(self) -> Manifest | None:
        """Give the manifest of an earlier run that scored exactly this, if there was one."""
        manifest = manifests.read(self.out)
        return manifest if manifest and manifest.fingerprint == self.fingerprint and self.scores.exists() else None


@dataclass
class Counts:
    """Rows by status and by label."""

    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)


def default_out(folder: Path) -> Path:
    """Give the folder that the scores of ``folder`` go to unless told otherwise: ``data/scores/NAME``."""
    return layout.SCORES / folder.resolve().name


def prepare(folder: Path, out: Path, model: ScoringModel, settings: Score) -> Batch:
    """List the pictures of a folder.

    Raises NothingToScoreError when there are none, and PipelineError when ``out`` holds the scores of another folder.
    """
    source.require(out / SCORES, folder)
    listing = list_images(folder, settings.image_suffixes, leave_out=out)
    if not listing.images:
        there = f"{listing.ignored} other files, {listing.symbolic_links} symbolic links"
        there = "; ".join(filter(None, (there, listing.unread_words, listing.unreadable_words)))
        raise NothingToScoreError(
            f"{shown(folder)}: no images to score ({there}). An image ends in one of: {' '.join(settings.image_suffixes)}."
        )
    rules = Rules(model.temperature, settings.minimum_confidence, settings.maximum_bytes, settings.maximum_pixels)
    identity = (manifests.SCHEMA_VERSION, version.of_scoring(), model.version, model.sha256, rules, listing.fingerprint)
    fingerprint = hashlib.sha256(repr(identity).encode()).hexdigest()
    return Batch(folder, out, listing, rules, settings.shard_size, fingerprint)


def score(batch: Batch, model: ScoringModel, progress: Progress) -> Manifest:
    """Score a batch and write ``scores.csv`` and ``manifest.json``; shards that an interrupted run finished are kept.

    ``progress`` is told the pictures done and their number after each shard. Raises PipelineError when the output cannot be
    written, holds the scores of another folder, or another run is writing it.
    """
    with _alone(batch.out):
        source.claim(batch.scores, batch.folder)
        _remove_what_is_older(batch)
        started = time.monotonic()
        scored = _score_shards(batch, model, progress)
        counts = _join(batch)
        manifest = _manifest(batch, model, counts, scored, time.monotonic() - started)
        manifests.write(batch.out, manifest)
        shutil.rmtree(batch.parts, ignore_errors=True)
        return manifest


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
            raise PipelineError(
                f"{shown(out)}: another run is writing its scores here. Wait for it, or name another --out."
            ) from None
    try:
        yield
    finally:
        lock.release()


def _remove_what_is_older(batch: Batch) -> None:
    # A run stopped before it writes its own manifest must not leave rows beside another run's.
    (batch.out / manifests.NAME).unlink(missing_ok=True)
    for folder in batch.out.glob(f"{PARTS}*"):
        if folder != batch.parts:
            shutil.rmtree(folder, ignore_errors=True)


def _score_shards(batch: Batch, model: ScoringModel, progress: Progress) -> int:
    """Write the parts that are not there yet, and give the number of their pictures."""
    classifier = Classifier(model.content)
    done = scored = 0
    for shard in batch.shards:
        if not batch.part(shard).exists():
            atomic.write_text(batch.part(shard), csv_lines(score_shard(shard, classifier, model.version, batch.rules)))
            scored += len(shard.paths)
        done += len(shard.paths)
        progress(done, len(batch.listing.images))
    return scored


def _join(batch: Batch) -> Counts:
    """Write ``scores.csv`` from the parts, and count its rows."""
    counts = Counts()
    status, label = COLUMNS.index("status"), COLUMNS.index("label")
    with atomic.replacing(batch.scores) as temporary, temporary.open("wb") as file:
        file.write(csv_line(COLUMNS).encode())
        for shard in batch.shards:
            part = _read_part(batch.part(shard))
            file.write(part)
            for row in csv.reader(io.StringIO(part.decode(), newline="")):
                counts.statuses[row[status]] += 1
                if row[label]:
                    counts.labels[row[label]] += 1
    return counts


def _read_part(part: Path) -> bytes:
    try:
        return part.read_bytes()
    except OSError as error:
        raise PipelineError(f"{shown(part)}: cannot be read: {error.strerror}. Delete it and run again.") from error


def _manifest(batch: Batch, model: ScoringModel, counts: Counts, scored: int, seconds: float) -> Manifest:
    listing = batch.listing
    return Manifest(
        folder=shown(source.place_of(batch.folder)),
        dataset=model.dataset,
        model=model.version,
        model_sha256=model.sha256,
        parameters={name: value for name, value in asdict(batch.rules).items() if name != "temperature"},
        fingerprint=batch.fingerprint,
        rows=counts.statuses.total(),
        statuses=dict(sorted(counts.statuses.items())),
        labels=dict(sorted(counts.labels.items())),
        unread_pictures=listing.unread_by_suffix,
        ignored=listing.ignored,
        symbolic_links=listing.symbolic_links,
        unreadable_folders=listing.unreadable_folders,
        scored=scored,
        seconds=round(seconds, 3),
        images_per_second=round(scored / seconds, 1),
    )
