"""Any folder of pictures held to the expectations: with labels where they lie in folders 0 to 9, without where they do not."""

import os
from collections.abc import Callable
from functools import partial
from itertools import chain
from operator import itemgetter
from pathlib import Path

import numpy as np

from pipeline.digits.pictures.normalising import BLANK, Glyph
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score, Validate
from pipeline.quality import expectations, publishing, reference, tables
from pipeline.quality.checks import Findings
from pipeline.quality.expectations import Suite
from pipeline.quality.tables import Split
from pipeline.scoring.batch import rules_of
from pipeline.scoring.executors import Here
from pipeline.scoring.listing import list_folder
from pipeline.scoring.row import Rules
from pipeline.scoring.shard import Begin, Shard

SPLIT = "folder"
# Files of a shard.
TOGETHER = 500
DIGITS = frozenset(str(digit).encode() for digit in range(10))


def check_folder(folder: Path, out: Path, settings: Score, bounds: Validate, say: Callable[[str], None]) -> Findings:
    """Check the pictures that scoring would read, as it reads them, and write report and Data Docs into ``out``.

    ``say`` is called with what was not read, in words. Raises PipelineError.
    """
    listing = list_folder(folder, settings.image_suffixes, out)
    for words in filter(None, (listing.unreadable_words, listing.unread_words)):
        say(f"warning: {words}")
    paths = [path for path, *_ in listing]
    if not paths:
        suffixes = " ".join(settings.image_suffixes)
        raise PipelineError(f"{shown(folder)}: no pictures below it. A picture ends in one of: {suffixes}.")
    rules = rules_of(settings, temperature=1.0)
    task = partial(_read, folder=os.fsencode(folder), rules=rules)
    shards = (Shard(tuple(paths[start : start + TOGETHER])) for start in range(0, len(paths), TOGETHER))
    read = sorted(chain.from_iterable(Here().run(task, shards, rules.maximum_seconds)), key=itemgetter(0, 1))
    found = [(path, page, glyph.field) for path, page, glyph in read if not isinstance(glyph, str)]
    labels = [_label(path) for path, _, _ in found]
    split = Split(
        SPLIT,
        np.array([field for _, _, field in found], np.uint8).reshape(-1, *BLANK.field.shape),
        np.array([label or 0 for label in labels], np.uint8),
        [_name(path, page) for path, page, _ in found],
    )
    faults: dict[bytes, str | None] = dict.fromkeys(paths)
    for path, page, glyph in read:
        if isinstance(glyph, str) and not faults[path]:
            faults[path] = glyph if page == 1 else f"page {page}: {glyph}"
    files = [(_name(path), fault) for path, fault in faults.items()]
    suites = [expectations.of_scans(files, settings.maximum_error_share)]
    if found:
        suites += expect(split, bounds, is_labelled=None not in labels)
    return publishing.publish(out, shown(folder.resolve().name) or SPLIT, [split], suites)


def _read(shard: Shard, begin: Begin, *, folder: bytes, rules: Rules) -> list[tuple[bytes, int, Glyph | str]]:
    """Read a shard: path, page, and what was read of it, or why nothing was."""
    from pipeline.scoring.page import read

    return [(shard.paths[one.file], one.page, one.glyph) for one in read(folder, shard, rules, begin)]


def expect(split: Split, bounds: Validate, *, is_labelled: bool) -> list[Suite]:
    """Say what is expected of a folder's pictures."""
    described = tables.describe([split], reference.load(SPLIT), {})
    if is_labelled:
        return expectations.of_labelled(described, bounds, is_known=False)
    return [expectations.of_batch(described.images, bounds)]


def _label(path: bytes) -> int | None:
    """Give the digit that the folder of a picture is named after."""
    folder = os.path.basename(os.path.dirname(path))  # noqa: PTH119, PTH120 - of a path of any bytes
    return int(folder) if folder in DIGITS else None


def _name(path: bytes, page: int = 1) -> str:
    return shown(os.fsdecode(path)) + (f", page {page}" if page > 1 else "")
