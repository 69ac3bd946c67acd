"""Scans as scoring reads them: decoded, normalised, and known by their pixels."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline.params import Score
from pipeline.scoring import executors
from pipeline.scoring.row import Rules, rules_of
from pipeline.scoring.shard import Begin, Shard

# Files of a shard.
TOGETHER = 500
SECONDS_BETWEEN_WORDS = 5

# Is called with how many files were read, how many there are, and how many seconds the others will take.
Tell = Callable[[int, int, float], None]


class Scan(NamedTuple):
    """A page of a file: ``field``, (28, 28) uint8 as bytes, empty where it cannot be read; ``fault``: why it teaches nothing.

    ``page``: from 1; ``key``: the same for pictures that are the same to the pixel, from 0 to 2**32. ``is_odd``: it is unlike a
    digit; ``is_cut``: a stroke of it runs to the border; ``traits``: what batches are compared by, (7,) float16 as bytes.
    """

    path: bytes
    page: int
    field: bytes
    fault: str
    key: int
    is_odd: bool
    is_cut: bool
    traits: bytes = b""


def read(folder: Path, paths: Sequence[bytes], settings: Score, tell: Tell | None = None) -> list[Scan]:
    """Read files below a folder, given by their paths, on all cores where there are many; in the order of paths and pages."""
    rules = rules_of(settings, temperature=1.0)
    task = partial(_read, folder=os.fsencode(folder), rules=rules)
    shards = [Shard(tuple(paths[start : start + TOGETHER])) for start in range(0, len(paths), TOGETHER)]
    scans: list[Scan] = []
    done, began = 0, time.monotonic()
    told = began
    with (
        executors.chosen(None, None, len(shards), is_little=len(paths) <= executors.FEW) as executor,
        closing(executor.run(task, shards, rules.maximum_seconds)) as results,
    ):
        for files, read_now in results:
            scans += read_now
            done += files
            now = time.monotonic()
            if tell and now - told > SECONDS_BETWEEN_WORDS:
                told = now
                tell(done, len(paths), (now - began) / done * (len(paths) - done))
    return sorted(scans)


def _read(shard: Shard, begin: Begin, *, folder: bytes, rules: Rules) -> tuple[int, list[Scan]]:
    """Read a shard, and count its files."""
    from pipeline.digits.pictures import trust
    from pipeline.scoring.page import read, traits_of

    scans = []
    readings = list(read(folder, shard, rules, begin))
    for one, found in zip(readings, traits_of(readings), strict=True):
        path = shard.paths[one.file]
        if isinstance(one.glyph, str):
            scans.append(Scan(path, one.page, b"", one.glyph, 0, is_odd=False, is_cut=False))
        else:
            odd, field = trust.oddity(one.glyph), one.glyph.field.tobytes()
            fault = odd if odd == trust.BLANK else ""
            doubts = bool(odd), one.glyph.cuts > 0
            scans.append(Scan(path, one.page, field, fault, one.pixels >> 31, *doubts, found or b""))
    return len(shard.paths), scans
