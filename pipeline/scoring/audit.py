"""Any folder of pictures held to the expectations: with labels where they lie in folders 0 to 9, without where they do not."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.digits.pictures.normalising import BLANK
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score, Validate
from pipeline.quality import expectations, publishing, reference, tables
from pipeline.quality.checks import Findings
from pipeline.quality.expectations import Suite
from pipeline.quality.tables import Split
from pipeline.scoring import shard
from pipeline.scoring.batch import rules_of
from pipeline.scoring.lines import path_of
from pipeline.scoring.listing import list_folder

SPLIT = "folder"
DIGITS = frozenset(str(digit).encode() for digit in range(10))


def check_folder(folder: Path, out: Path, settings: Score, bounds: Validate, say: Callable[[str], None]) -> Findings:
    """Check the pictures that scoring would read, as it reads them, and write report and Data Docs into ``out``.

    ``say`` is called with what was not read, in words. Raises PipelineError.
    """
    listing = list_folder(folder, settings.image_suffixes, out)
    for words in filter(None, (listing.unreadable_words, listing.unread_words)):
        say(f"warning: {words}")
    listing.file.seek(0)
    paths = [path_of(line) for line in listing.file]
    if not paths:
        suffixes = " ".join(settings.image_suffixes)
        raise PipelineError(f"{shown(folder)}: no pictures below it. A picture ends in one of: {suffixes}.")
    rules = rules_of(settings, temperature=1.0)
    read = [(paths[one.file], one.page, one.glyph) for one in shard.read(os.fsencode(folder), paths, rules)]
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
