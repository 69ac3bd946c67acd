"""Any folder of pictures held to the expectations: with labels where they lie in folders 0 to 9, without where they do not."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.digits import decoding, images
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.quality import expectations, reference, report, tables
from pipeline.quality.checks import Verdict
from pipeline.quality.expectations import Bounds, Suite
from pipeline.quality.tables import Bytes, Split

SPLIT = "folder"
DIGITS = frozenset("0123456789")


@dataclass(frozen=True)
class Picture:
    """A file, by its path below the folder, and its normalised picture, (28, 28) uint8, or why there is none."""

    name: str
    field: Bytes | None = None
    fault: str | None = None

    @property
    def label(self) -> int | None:
        """The digit that its folder is named after."""
        folder = Path(self.name).parent.name
        return int(folder) if folder in DIGITS else None


def run(
    folder: Path,
    out: Path,
    *,
    suffixes: Sequence[str],
    maximum_pixels: int,
    maximum_error_share: float,
    bounds: Bounds,
) -> Verdict:
    """Check the pictures that end in ``suffixes``, and write report and Data Docs into ``out``. Raises PipelineError."""
    started = time.monotonic()
    pictures = [read(folder, name, maximum_pixels) for name in find(folder, suffixes)]
    if not pictures:
        raise PipelineError(f"{shown(folder)}: no pictures below it. A picture ends in one of: {' '.join(suffixes)}.")
    found = [one for one in pictures if one.field is not None]
    labels = [one.label for one in found]
    split = Split(
        SPLIT,
        np.array([one.field for one in found], np.uint8).reshape(-1, *images.BLANK.field.shape),
        np.array([label or 0 for label in labels], np.uint8),
        [shown(one.name) for one in found],
    )
    suites = [expectations.of_scans([(shown(one.name), one.fault) for one in pictures], maximum_error_share)]
    if found:
        suites += expect(split, bounds, is_labelled=None not in labels)
    return report.publish(out, shown(folder.resolve().name) or SPLIT, [split], suites, started)


def expect(split: Split, bounds: Bounds, *, is_labelled: bool) -> list[Suite]:
    """Say what is expected of a folder's pictures."""
    described = tables.describe([split], reference.load(SPLIT), {})
    if is_labelled:
        return expectations.of_labelled(described, bounds, is_known=False)
    return [expectations.of_batch(described.images, bounds)]


def find(folder: Path, suffixes: Sequence[str]) -> Iterator[str]:
    """Find the pictures below a folder, but for what is hidden, in order."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for file in sorted(files):
            if not file.startswith(".") and file.lower().endswith(tuple(suffixes)):
                yield (Path(place) / file).relative_to(folder).as_posix()


def read(folder: Path, name: str, maximum_pixels: int) -> Picture:
    """Decode and normalise a picture, as scoring does."""
    try:
        picture = decoding.decode((folder / name).read_bytes(), maximum_pixels=maximum_pixels)
        return Picture(name, images.normalise(picture).field)
    except OSError as error:
        return Picture(name, fault=f"cannot be read: {error.strerror}")
    except decoding.DecodeError as error:
        return Picture(name, fault=str(error))
