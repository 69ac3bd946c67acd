"""Pictures about to be scored: which, into which folder, by which rules."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from pipeline.digits.pictures.files.limits import Limits
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score
from pipeline.registry.contents import ScoringModel
from pipeline.scoring import manifest as manifests
from pipeline.scoring import report, source, version
from pipeline.scoring.join import REVIEW, SCORES, sha256
from pipeline.scoring.listing import Listing, list_folder, list_paths
from pipeline.scoring.manifest import Manifest
from pipeline.scoring.process import Worker
from pipeline.scoring.row import Rules
from pipeline.scoring.work import PREFIX, Work

LISTING = ".listing"


class NothingToScoreError(PipelineError):
    """A folder without a picture."""


@dataclass(frozen=True)
class Options:
    """How a run goes, apart from the settings. ``workers``: processes; None for the cores, or none for few pictures.

    ``fresh``: no row of an earlier run is taken. ``digits``, ``probabilities``: as in ``Rules``. ``report``: one is written.
    """

    workers: int | None = None
    fresh: bool = False
    digits: tuple[int, ...] = tuple(range(10))
    probabilities: bool = False
    report: bool = True


@dataclass(frozen=True)
class Batch:
    """Pictures about to be scored into ``out``; ``method`` and ``fingerprint`` as in the manifest."""

    given: Path
    out: Path
    listing: Listing
    rules: Rules
    shard_size: int
    maximum_suspect_share: float
    options: Options
    method: str
    fingerprint: str

    @property
    def folder(self) -> Path:
        """What the paths of the listing start from."""
        return self.given if self.given.is_dir() else Path()

    @property
    def scores(self) -> Path:
        """Where the rows go."""
        return self.out / SCORES

    @property
    def review(self) -> Path:
        """Where the doubtful ones go too."""
        return self.out / REVIEW

    @property
    def report(self) -> Path:
        """Where people see the pictures."""
        return self.out / report.NAME

    @property
    def work(self) -> Work:
        """Where the rows of finished shards wait for the others."""
        kind = ("-fresh" if self.options.fresh else "") + ("" if self.options.report else "-bare")
        return Work(self.out / f"{PREFIX}{self.method[:16]}-{self.fingerprint[:16]}{kind}")

    def finished(self) -> Manifest | None:
        """Give the manifest of an earlier run that scored exactly this, if there was one and it is not to be done again."""
        manifest = manifests.read(self.out)
        stands = self.scores.exists() and self.review.exists() and (self.report.exists() or not self.options.report)
        return manifest if manifest and stands and manifest.fingerprint == self.fingerprint and not self.options.fresh else None

    def is_edited(self, manifest: Manifest) -> bool:
        """Tell whether somebody changed ``scores.csv`` since it was written with this manifest."""
        return self.scores.exists() and sha256(self.scores) != manifest.scores_sha256


DEFAULTS = Options()


def prepare(
    given: Path,
    out: Path,
    model: ScoringModel,
    settings: Score,
    options: Options = DEFAULTS,
    early: Iterable[Worker] = (),
) -> Batch:
    """List the pictures of a folder, or of a text file of paths, or of standard input where ``given`` is ``-``.

    ``early`` are workers that were started already, which help to list a folder. Raises NothingToScoreError when there are no
    pictures, and PipelineError when ``out`` holds the scores of something else.
    """
    source.require(out / SCORES, given)
    is_folder = given.is_dir()
    listing = list_folder(given, settings.image_suffixes, out, early) if is_folder else list_paths(given)
    if not listing.images:
        there = f"{listing.ignored} other files, {listing.symbolic_links} symbolic links"
        there = "; ".join(filter(None, (there, listing.unread_words, listing.unreadable_words)))
        how = f"An image ends in one of: {' '.join(settings.image_suffixes)}." if is_folder else "Name one file a line."
        raise NothingToScoreError(f"{shown(given)}: no images to score ({there}). {how}")
    rules = rules_of(settings, model.temperature, options)
    method = _hash(manifests.SCHEMA_VERSION, version.of_scoring(), model.version, model.sha256, rules)
    sizes = settings.shard_size, settings.maximum_suspect_share
    return Batch(given, out, listing, rules, *sizes, options, method, fingerprint(method, listing.sha256))


def rules_of(settings: Score, temperature: float, options: Options = DEFAULTS) -> Rules:
    """Put together by what rules rows are written."""
    return Rules(
        **{limit.name: getattr(settings, limit.name) for limit in fields(Limits)},
        temperature=temperature,
        minimum_confidence=settings.minimum_confidence,
        digits=options.digits,
        probabilities=options.probabilities,
    )


def fingerprint(method: str, listing_sha256: str) -> str:
    """Give what stands for a listing scored by a method."""
    return _hash(method, listing_sha256)


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
