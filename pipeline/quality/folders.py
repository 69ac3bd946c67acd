"""Any folder of pictures held to the expectations: with labels where they lie in folders 0 to 9, without where they do not."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.digits.field import FIELD
from pipeline.errors import PipelineError
from pipeline.labelled import reading
from pipeline.names import shown
from pipeline.params import Score, Validate
from pipeline.quality import expectations, publishing, reference, tables
from pipeline.quality.checks import Findings
from pipeline.quality.expectations import Suite
from pipeline.quality.tables import Split
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
    paths = [path for path, *_ in listing]
    if not paths:
        suffixes = " ".join(settings.image_suffixes)
        raise PipelineError(f"{shown(folder)}: no pictures below it. A picture ends in one of: {suffixes}.")
    scans = reading.read(folder, paths, settings)
    found = [scan for scan in scans if scan.field]
    labels = [_label(scan.path) for scan in found]
    split = Split(
        SPLIT,
        np.frombuffer(b"".join(scan.field for scan in found), np.uint8).reshape(-1, FIELD, FIELD),
        np.array([label or 0 for label in labels], np.uint8),
        [_name(scan.path, scan.page) for scan in found],
    )
    faults: dict[bytes, str | None] = dict.fromkeys(paths)
    for scan in scans:
        if not scan.field and not faults[scan.path]:
            faults[scan.path] = scan.fault if scan.page == 1 else f"page {scan.page}: {scan.fault}"
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
