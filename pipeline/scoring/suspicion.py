"""What is expected of a batch as a whole, before anybody trusts its labels.

These expectations are plain comparisons of counts: a folder is scored in a fraction of the time that Great Expectations takes
to be imported. ``digits validate FOLDER`` has it look at every picture.
"""

import hashlib
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.digits import decoding, trust
from pipeline.scoring.lines import path_of
from pipeline.scoring.row import Rules

# Of fewer pictures nobody can say what a batch is like.
LEAST = 10
# So many rows of a batch, drawn at random, tell whether most are of one picture.
LOOKED_AT = 64
IDENTICAL = "MostlyIdentical"


@dataclass(frozen=True)
class Expectation:
    """That no more than a share of a batch is for review for one of these ``reasons``; ``name`` is that of its failure."""

    name: str
    reasons: frozenset[str]
    words: str
    why: str


EXPECTATIONS = (
    Expectation("MostlyBlank", frozenset({trust.BLANK, trust.FAINT}), "are blank", "the wrong side, or an empty feeder"),
    Expectation("MostlyInverted", frozenset({trust.OVERFULL}), "are full of ink", "inverted, or framed, beyond repair"),
    Expectation("MostlyNotDigits", trust.REASONS, "are not sure to be a digit", "another kind of picture, or of pen"),
)


def draw(rows: int) -> frozenset[int]:
    """Draw the numbers of rows to look at: the same of every batch of that size."""
    return frozenset(random.Random(0).sample(range(rows), min(LOOKED_AT, rows)))  # noqa: S311 - it is to be the same


def find(rows: int, reasons: Counter[str], maximum_share: float) -> dict[str, str]:
    """Give what is suspicious of ``rows`` that could be read, of which so many are for review for each reason.

    The first expectation that fails, by its name, in words.
    """
    if rows < LEAST:
        return {}
    for one in EXPECTATIONS:
        count = sum(reasons[reason] for reason in one.reasons)
        if count > maximum_share * rows:
            return {one.name: f"{count} of {rows} pictures {one.words}: {one.why}. Look at some before you use the labels."}
    return {}


def find_identical(
    alike: dict[int, tuple[str, ...]], listing: Path, folder: Path, rules: Rules, maximum_share: float
) -> dict[str, str]:
    """Tell whether most pictures of a batch are one. ``alike``: what some of its rows say, but for their files, by number.

    ``listing``: of the batch, a line for each row, with paths below ``folder``. Only what reads alike is looked at.
    """
    if len(alike) < LEAST:
        return {}
    answer, count = Counter(alike.values()).most_common(1)[0]
    if count <= maximum_share * len(alike):
        return {}
    chosen = [number for number, one in alike.items() if one == answer]
    pictures = Counter(_pixels(os.fsencode(folder), _paths(listing, chosen), rules))
    same = max(pictures.values(), default=0)
    if same <= maximum_share * len(alike):
        return {}
    return {
        IDENTICAL: f"{same} of {len(alike)} pictures that were compared are the same to the pixel: copies, or a scanner that "
        f"hangs. Look at some before you use the labels."
    }


def _paths(listing: Path, chosen: Iterable[int]) -> Iterator[bytes]:
    """Read some paths of a listing."""
    numbers = set(chosen)
    with listing.open("rb") as lines:
        yield from (path_of(line) for number, line in enumerate(lines) if number in numbers)


def _pixels(folder: bytes, paths: Iterable[bytes], rules: Rules) -> Iterator[str]:
    """Hash pictures by their pixels; what cannot be read any more is none."""
    for path in paths:
        try:
            content = Path(os.fsdecode(os.path.join(folder, path))).read_bytes()  # noqa: PTH118 - paths of any bytes
            picture = decoding.decode(content, maximum_pixels=rules.maximum_pixels)
        except (OSError, ValueError, MemoryError, decoding.DecodeError):
            continue
        yield hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()
