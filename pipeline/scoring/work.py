"""The folder of a run that is not finished: what is to be scored, the rows that need not be, and those that are done."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline import atomic
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.scoring.lines import SHEET, Shard, size_of
from pipeline.scoring.listing import Listing
from pipeline.scoring.reuse import Rows, keep, rows_of

PREFIX = ".parts-"
LISTING = "listing"
PENDING = "pending"
KEPT = "kept.csv"
KEPT_SHEET = f"kept{SHEET}"
# A shard of large scans is done in seconds too.
SHARD_BYTES = 2**25


@dataclass(frozen=True)
class Work:
    """The folder, of one listing scored in one way: another listing or way has another."""

    folder: Path

    @property
    def listing(self) -> Path:
        """Every picture of the run."""
        return self.folder / LISTING

    @property
    def pending(self) -> Path:
        """The pictures to score, a part of the listing."""
        return self.folder / PENDING

    @property
    def kept(self) -> Path:
        """The rows of the others, with gaps for these."""
        return self.folder / KEPT

    def begin(self, listing: Listing, known: Iterator[Rows]) -> None:
        """Make the folder: ``known`` are rows of earlier runs, in the order of their paths. Raises PipelineError."""
        with atomic.replacing(self.folder) as temporary:
            temporary.mkdir()
            listing.file.seek(0)
            with (temporary / LISTING).open("wb") as file:
                shutil.copyfileobj(listing.file, file)
            with (
                (temporary / LISTING).open("rb") as lines,
                (temporary / PENDING).open("wb") as pending,
                (temporary / KEPT).open("wb") as kept,
                (temporary / KEPT_SHEET).open("wb") as sheet,
            ):
                keep(lines, known, pending=pending, kept=kept, sheet=sheet)

    def remove(self) -> None:
        """Remove the folder, and never leave half of it under its name."""
        gone = self.folder.with_name(f".{self.folder.name}.0.tmp")
        self.folder.replace(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def shards(self, size: int) -> Iterator[Shard]:
        """Cut what is to be scored into shards of at most ``size`` pictures, or of some megabytes."""
        first = count = offset = length = total = 0
        with self.pending.open("rb") as lines:
            for line in lines:
                picture_bytes = size_of(line)
                if count and (count == size or total + picture_bytes > SHARD_BYTES):
                    yield Shard(first, count, offset, total)
                    first, offset, count, length, total = first + count, offset + length, 0, 0, 0
                count, length, total = count + 1, length + len(line), total + picture_bytes
        if count:
            yield Shard(first, count, offset, total)

    def part(self, shard: Shard) -> Path:
        """Where the rows of one shard wait for the others."""
        return self.folder / shard.name

    def sheets(self) -> Iterator[Path]:
        """Give the files with what people are shown, of no row twice, as far as they are there."""
        yield self.folder / KEPT_SHEET
        position = 0
        for sheet in sorted(self.folder.glob(f"*-*{SHEET}")):
            first, count = map(int, sheet.stem.split("-"))
            if first >= position:
                position = first + count
                yield sheet

    def has_sheets_of(self, shards: Iterable[Shard]) -> bool:
        """Tell whether they are all there: where there was no room for one, none is."""
        scored = (int(sheet.stem.split("-")[1]) for sheet in islice(self.sheets(), 1, None))
        return (self.folder / KEPT_SHEET).exists() and sum(scored) == sum(shard.count for shard in shards)

    def parts(self) -> Iterator[Shard]:
        """Give the shards that have a part file, whatever size of shards it is of."""
        for part in sorted(self.folder.glob("*-*.csv")):
            first, count = map(int, part.stem.split("-"))
            yield Shard(first, count, 0)

    def rows(self, shards: Iterator[Shard]) -> Iterator[Rows]:
        """Give the rows of finished shards, each group of them with its line of the listing; no line twice."""
        position = 0
        with self.pending.open("rb") as lines:
            for shard in shards:
                if shard.first >= position:
                    skipped = shard.first - position
                    yield from of_one_file(self.part(shard), islice(lines, skipped, skipped + shard.count))
                    position = shard.first + shard.count


def of_one_file(csv: Path, lines: Iterator[bytes], *, has_head: bool = False) -> Iterator[Rows]:
    """Give the rows of a file, each group of them with its line of the listing. Raises PipelineError where they do not fit."""
    try:
        with csv.open("rb") as rows:
            if has_head:
                next(rows, None)
            for line, group in zip(lines, rows_of(rows), strict=True):
                yield Rows(line, group)
    except (OSError, ValueError) as error:
        raise PipelineError(f"{shown(csv)}: damaged: {error}. Delete its folder {shown(csv.parent)} and run again.") from error
