"""What is expected of a batch as a whole, before anybody trusts its labels.

These expectations are plain comparisons of counts: a folder is scored in a fraction of the time that Great Expectations takes
to be imported. ``digits validate FOLDER`` has it look at every picture.
"""

import hashlib
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.digits.pictures import trust
from pipeline.digits.pictures.files import decoding
from pipeline.scoring.lines import path_of
from pipeline.scoring.row import Rules

# A smaller batch cannot be judged.
LEAST = 10
# This many rows of a batch, drawn at random, are enough to tell whether most are of one picture.
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


class Drawn(NamedTuple):
    """A labelled row: the number of its file in the batch, from 0, its page, and what it says but for both."""

    file: int
    page: int
    answer: tuple[str, ...]


@dataclass
class Sample:
    """Rows to look at, drawn at random while all go by (Vitter, 1985, algorithm R): the same of the same batch."""

    rows: list[Drawn] = field(default_factory=list)
    _seen: int = 0
    _place: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - it is to be the same

    def draws_next(self) -> bool:
        """Let a row go by, and tell whether it is to be kept."""
        self._place = self._seen if self._seen < LOOKED_AT else int(self._random.random() * (self._seen + 1))
        self._seen += 1
        return self._place < LOOKED_AT

    def keep(self, row: Drawn) -> None:
        """Keep it, in place of another when there are enough."""
        self.rows[self._place : self._place + 1] = [row]


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


def find_identical(rows: Iterable[Drawn], listing: Path, folder: Path, rules: Rules, maximum_share: float) -> dict[str, str]:
    """Tell whether most pictures of a batch are one, by some of its ``rows``: only what reads alike is looked at.

    ``listing``: of the batch, a line for each file, with paths below ``folder``.
    """
    alike = list(rows)
    if len(alike) < LEAST:
        return {}
    answer, count = Counter(row.answer for row in alike).most_common(1)[0]
    if count <= maximum_share * len(alike):
        return {}
    chosen = [row for row in alike if row.answer == answer]
    pictures = Counter(_pixels(os.fsencode(folder), _pages(listing, chosen), rules))
    same = max(pictures.values(), default=0)
    if same <= maximum_share * len(alike):
        return {}
    return {
        IDENTICAL: f"{same} of {len(alike)} pictures that were compared are the same to the pixel: copies, or a scanner that "
        f"hangs. Look at some before you use the labels."
    }


def _pages(listing: Path, chosen: Iterable[Drawn]) -> Iterator[tuple[bytes, set[int]]]:
    """Read some paths of a listing, each with its pages."""
    pages: dict[int, set[int]] = {}
    for row in chosen:
        pages.setdefault(row.file, set()).add(row.page)
    with listing.open("rb") as lines:
        yield from ((path_of(line), pages[number]) for number, line in enumerate(lines) if number in pages)


def _pixels(folder: bytes, files: Iterable[tuple[bytes, set[int]]], rules: Rules) -> Iterator[str]:
    """Hash pictures by their pixels; what cannot be read any more is none."""
    for path, pages in files:
        try:
            with Path(os.fsdecode(os.path.join(folder, path))).open("rb") as file:  # noqa: PTH118 - paths of any bytes
                for page, picture in enumerate(islice(decoding.pages(file, rules), max(pages)), 1):
                    if page in pages and isinstance(picture, np.ndarray):
                        yield hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()
        except (OSError, ValueError):
            continue
