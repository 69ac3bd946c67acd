"""Files about to be scored: which, into which folder, by which rules."""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline import layout
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score
from pipeline.registry.contents import ScoringModel
from pipeline.reports import batch as report
from pipeline.scoring import manifest as manifests
from pipeline.scoring.database import NAME as STORE
from pipeline.scoring.export import REVIEW, SCORES
from pipeline.scoring.kinds import ARCHIVES, is_archive
from pipeline.scoring.listing import Listing, list_file, list_folder, list_paths, list_storage
from pipeline.scoring.manifest import Manifest
from pipeline.scoring.row import DIGITS, Rules, rules_of
from pipeline.scoring.store import Store, opened

PACKAGE = Path(__file__).parents[1]
# All code that decides what stands in a row: modules, and folders of them.
CODE = (
    "digits/field.py",
    "digits/network/answers.py",
    "digits/network/model.py",
    "digits/network/second_look.py",
    "digits/pictures",
    "reports/thumbnails.py",
    "scoring/archives",
    "scoring/files.py",
    "scoring/kinds.py",
    "scoring/page.py",
    "scoring/row.py",
    "scoring/shard.py",
    "scoring/storage.py",
)
LIBRARIES = ("ai-edge-litert", "numpy", "opencv-python-headless", "pillow", "pi-heif", "pypdfium2")


class NothingToScoreError(PipelineError):
    """A folder without a picture."""


@dataclass(frozen=True)
class Options:
    """How a run goes, apart from the settings. ``workers``: processes; None for the cores, or none for few pictures.

    ``cluster``: the address of the scheduler of Dask whose workers score, or nothing for this machine.
    ``fresh``: no row of an earlier run is taken. ``digits``, ``probabilities``: as in ``Rules``. ``report``: one is written.
    """

    workers: int | None = None
    fresh: bool = False
    digits: tuple[int, ...] = DIGITS
    probabilities: bool = False
    report: bool = True
    cluster: str = ""


@dataclass(frozen=True)
class Batch:
    """Files about to be scored into ``out``. ``method``: as in the manifest.

    ``finished``: the manifest of a run that scored exactly this, which is not to be done again. ``store_words`` say that there
    are scores without the store that their rows would be taken from, or nothing.
    """

    given: Path
    out: Path
    listing: Listing
    rules: Rules
    settings: Score
    options: Options
    method: str
    finished: Manifest | None
    store_words: str

    @property
    def folder(self) -> Path:
        """What the paths of the listing start from."""
        return folder_of(self.given)


DEFAULTS = Options()


def folder_of(given: Path) -> Path:
    """Give what paths start from in what is to be scored: a folder, an archive, or a file of paths."""
    if given.is_dir() or (layout.address_of(given) and not is_archive(os.fsencode(given))):
        return given
    return given.parent if is_archive(os.fsencode(given)) else Path()


def prepare(given: Path, out: Path, model: ScoringModel, settings: Score, options: Options = DEFAULTS) -> Batch:
    """List the pictures of a folder, of an archive, of a text file of paths, or of standard input where ``given`` is ``-``.

    Raises NothingToScoreError when there are no pictures, and PipelineError when ``out`` holds the scores of something else.
    """
    with opened(out) as store:
        require(store, out, given)
        address = layout.address_of(given)
        is_folder = bool(address) or given.is_dir()
        if address:
            listing = list_storage(address, settings.image_suffixes)
        elif is_folder:
            listing = list_folder(given, {*settings.image_suffixes, *map(os.fsdecode, ARCHIVES)}, out)
        else:
            listing = list_file(given) if is_archive(os.fsencode(given)) else list_paths(given)
        if not listing.count:
            there = f"{listing.ignored} other files, {listing.symbolic_links} symbolic links"
            there = "; ".join(filter(None, (there, listing.unread_words, listing.unreadable_words)))
            how = f"An image ends in one of: {' '.join(settings.image_suffixes)}." if is_folder else "Name one file a line."
            raise NothingToScoreError(f"{address or shown(given)}: no images to score ({there}). {how}")
        rules = rules_of(settings, model.temperature, options.digits, probabilities=options.probabilities)
        method = hash_of(manifests.SCHEMA_VERSION, versions(), model.version, model.sha256, rules)
        finished = None if options.fresh else _finished(store, out, listing, method, has_report=options.report)
    words = f"{shown(out / STORE)} was not there, as after an earlier version of this program: every file was scored again"
    words = words if (out / SCORES).exists() and not (out / STORE).exists() else ""
    return Batch(given, out, listing, rules, settings, options, method, finished, words)


def _finished(store: Store, out: Path, listing: Listing, method: str, *, has_report: bool) -> Manifest | None:
    manifest = manifests.read(out)
    names = (SCORES, REVIEW, *([report.NAME] if has_report else []))
    stands = manifest is not None and manifest.method == method and all((out / name).exists() for name in names)
    if not stands or not store.is_current(listing, method):
        return None
    store.add_left_out(listing)
    return manifest


def require(store: Store, out: Path, given: Path) -> None:
    """Raise PipelineError where ``out`` holds the scores of something else. Without a store the manifest says of what."""
    source, manifest, place = store.source, manifests.read(out), layout.place_of(given)
    known = layout.words_of(source) if source else manifest.folder if manifest else ""
    is_same = source == place if source else known == layout.words_of(given)
    if not is_same and (known or (out / SCORES).exists()):
        raise PipelineError(
            f"{shown(out)}: holds the scores of {known or 'a folder that is not known'}. "
            f"Name another folder with --out, or delete this one."
        )


@cache
def versions() -> dict[str, str]:
    """Give a hash of the code that decides what stands in a row, and the releases of libraries that do; nothing for none."""
    digest = hashlib.sha256()
    for module in modules():
        digest.update(hashlib.sha256(module.read_bytes()).digest())
    found = {"code": digest.hexdigest()}
    for library in LIBRARIES:
        found[library] = ""
        with suppress(PackageNotFoundError):  # one of the extra `formats`: without it, its files are errors
            found[library] = version(library)
    return found


def modules() -> list[Path]:
    """List the modules that are hashed."""
    places = [PACKAGE / place for place in CODE]
    return [module for place in places for module in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]


def hash_of(*parts: object) -> str:
    """Hash some values."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()
