"""Scoring a shard: a pure step from the names of some files to the rows of their pages, and to pictures of them for people."""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias

from pipeline.digits.pictures.files.limits import DecodeError
from pipeline.scoring.row import Row, Rules, csv_lines, is_shown

if TYPE_CHECKING:
    from pipeline.digits.network.model import Classifier

# Is told, before a page is read, its file's number in the shard, from 0, the page, from 1, and the first bytes of the file; and
# before files are fetched, the number of the first, and page 0.
Begin = Callable[[int, int, bytes], None]
# The bytes of a file, or the file, open to be read, or why it cannot be.
Content: TypeAlias = bytes | BinaryIO | DecodeError
# Gives what is in files of a shard, by their numbers from 0.
Read = Callable[[range], list[Content]]


class Shard(NamedTuple):
    """Files that are scored together, by their paths below the folder.

    ``archive``: where it is not empty, the path of the one that all of them are in, at ``places`` as ``archives`` gives them.
    In storage, ``places`` of others are their sizes in bytes.
    ``bad_page``: where it is not 0, pages of the only file are read up to this one, which is an error for a ``reason``.
    """

    paths: tuple[bytes, ...]
    archive: bytes = b""
    places: tuple[str, ...] = ()
    bad_page: int = 0
    reason: str = ""

    def part(self, start: int, stop: int) -> "Shard":
        """Give some of its files."""
        return self._replace(paths=self.paths[start:stop], places=self.places[start:stop])


class Scored(NamedTuple):
    """What came of a shard, in tuples as the store keeps them; ``pictures``: those that people are shown."""

    files: int
    statuses: Counter[str]
    rows: list[tuple[object, ...]]
    pictures: list[tuple[bytes, int, bytes, bytes]]


def score(
    shard: Shard,
    begin: Begin,
    *,
    folder: bytes,
    model: tuple[str, bytes],
    rules: Rules,
    shown_share: float | None,
    compared_share: float = 1.0,
) -> Scored:
    """Decode, normalise and read files: a row for each page, in order; a broken one never stops the rest.

    ``model``: its version, which stands in the rows, and its content; ``shown_share``: of the rows that are sure, drawn by
    chance, people are shown, 0 to 1; None where they are shown nothing; ``compared_share``: of the files have traits.
    """
    from pipeline.reports import thumbnails
    from pipeline.scoring import page

    version, content = model
    readings = list(page.read(folder, shard, rules, begin, 0 if shown_share is None else thumbnails.SIDE, compared_share))
    found = page.rows(shard.paths, readings, _classifier(content), version, rules)
    pairs = list(zip(found, readings, strict=True))
    lines = csv_lines(row.values(rules) for row in found)
    stored = [
        (shard.paths[reading.file], *_columns(row), reading.pixels, line, described)
        for (row, reading), line, described in zip(pairs, lines, page.traits_of(readings), strict=True)
    ]
    pictures = [
        (shard.paths[reading.file], *page.picture_of(reading))
        for row, reading in pairs
        if shown_share is not None and is_shown(row.file, row.status, shown_share)
    ]
    return Scored(len(shard.paths), Counter(row.status for row in found), stored, pictures)


def _columns(row: Row) -> tuple[object, ...]:
    if not row.label:
        return (row.page, None, None, None, None, row.status, row.reason, *[None] * 10)
    second = (row.second_label or None, row.second_confidence or None)
    return (row.page, row.label, row.confidence, *second, row.status, row.reason, *row.probabilities)


@lru_cache(maxsize=1)
def _classifier(content: bytes) -> "Classifier":
    from pipeline.digits.network.model import Classifier

    return Classifier(content)
