"""The store of a batch: one SQLite file beside its CSV, of files, rows, pictures for people, and runs."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.scoring.database import connected, transaction
from pipeline.scoring.listing import File, Listing
from pipeline.scoring.row import MOST_SHOWN, chance, name_in_csv, share_shown
from pipeline.scoring.shard import Scored, Shard

# Files that are read at once; and the bytes of a shard, which is so done in seconds too where scans are large.
AT_ONCE = 1000
SHARD_BYTES = 2**25
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


@dataclass(frozen=True)
class Plan:
    """How many files a run scores, of how many bytes, and how many have their rows of an earlier one, or of itself."""

    pending: int
    size: int
    reused: int
    resumed: int
    is_resumed: bool


class Store:
    """The store, opened. Whatever SQLite refuses is a PipelineError where it was opened."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection to its file."""
        connection.create_function("chance", 1, lambda path: chance(name_in_csv(path)), deterministic=True)
        self._connection = connection
        self.execute = connection.execute
        self._run = 0
        self.has_room = True

    @property
    def source(self) -> Path | None:
        """The folder, or file of paths, whose scores these are; None where that was not said yet."""
        last = self._last
        return Path(os.fsdecode(last[1])) if last else None

    def is_current(self, listing: Listing, method: str) -> bool:
        """Tell whether the last run was finished, and would find nothing to do with this listing and method."""
        last = self._last
        return bool(last and last[2] == method and last[4]) and next(self._changes(listing), None) is None

    def begin(self, source: Path, model: str, method: str, listing: Listing, *, is_fresh: bool, has_pictures: bool) -> Plan:
        """Note what is listed, and find what is new. Rows stay that were made in the same way of files that did not change.

        A run that was interrupted goes on where nothing changed. ``has_pictures``: a row stays only with its picture, if it
        is to be shown.
        """
        # Changed files, those of them that are gone without a size.
        self.execute("create temp table change (path blob primary key, size, modified, changed) without rowid")
        with transaction(self._connection):
            last = self._last
            # Where nothing is known, all of it is new.
            table, entries = ("change", self._changes(listing)) if last else ("file", iter(listing))
            self._connection.executemany(f"insert into {table} values (?, ?, ?, ?)", entries)  # noqa: S608 - one of two
            ((changes,),) = self.execute("select count(*) from change")
            is_resumed = last is not None and last[2:] == (method, is_fresh, False) and not changes
            if last and not is_resumed and (last[2] != method or is_fresh):
                self.execute("delete from row")
            if not is_resumed:
                values = [os.fsencode(source), model, method, is_fresh]
                self.execute("insert into run (source, model, method, is_fresh) values (?, ?, ?, ?)", values)
            ((self._run,),) = self.execute("select max(number) from run")
            if changes:
                self.execute("delete from row where path in (select path from change)")
                self.execute("delete from file where path in (select path from change where size is null)")
                self.execute("insert or replace into file select * from change where size is not null order by path")
            if has_pictures:
                self._forget_rows_without_pictures(listing.count)
            self.execute(
                "delete from picture where not exists (select 1 from row where (path, page) = (picture.path, picture.page))"
            )
            if self.execute("select 1 from row limit 1").fetchone():
                self.execute("create temp table pending (path blob primary key, size integer) without rowid")
                self.execute(
                    "insert into pending select path, size from file"
                    " where not exists (select 1 from row where path = file.path) order by path"
                )
            else:
                self.execute("create temp view pending as select path, size from file")
        ((pending, size),) = self.execute("select count(*), coalesce(sum(size), 0) from pending")
        ((resumed,),) = self.execute("select count(*) from row where run = ? and page = 1", [self._run])
        return Plan(pending, size, listing.count - pending - resumed, resumed, is_resumed)

    def shards(self, files: int) -> Iterator[Shard]:
        """Cut what is to be scored into shards of at most so many files, or of some megabytes."""
        paths: list[bytes] = []
        total, last = 0, b""
        # In small parts: while one is read, what is written stays in the log.
        query = "select path, size from pending where path > ? order by path limit ?"
        while some := self.execute(query, [last, AT_ONCE]).fetchall():
            for last, size in some:
                if paths and (len(paths) == files or total + size > SHARD_BYTES):
                    yield Shard(tuple(paths))
                    paths, total = [], 0
                paths.append(last)
                total += size
        if paths:
            yield Shard(tuple(paths))

    def write(self, scored: Scored) -> None:
        """Keep what came of a shard, all of it or nothing. Where there is no room, pictures make room for the rows."""
        try:
            self._insert(scored, scored.pictures if self.has_room else [])
        except sqlite3.OperationalError as error:
            if not self.has_room or error.sqlite_errorcode & 0xFF not in FULL:
                raise
            self.has_room = False
            with suppress(sqlite3.OperationalError):
                for step in ("pragma wal_checkpoint(truncate)", "delete from picture", "pragma wal_checkpoint(truncate)"):
                    self.execute(step)
            self._insert(scored, [])

    def finish(self, manifest: str) -> None:
        """Note that the run is finished, and what its manifest says."""
        with suppress(sqlite3.OperationalError):  # no room, or somebody reads it: the next run does this
            self.execute("update run set manifest = ? where number = ?", [manifest, self._run])
            self.execute("pragma journal_mode = delete")

    @property
    def _last(self) -> tuple[int, bytes, str, bool, bool] | None:
        """The last run: its number, source and method, whether it was to be fresh, and whether it was finished."""
        query = "select number, source, method, is_fresh, manifest is not null from run order by number desc limit 1"
        return next(((*one[:3], bool(one[3]), bool(one[4])) for one in self.execute(query)), None)

    def _changes(self, listing: Iterable[File]) -> Iterator[tuple[bytes, int | None, int | None, int | None]]:
        """Give what differs between a listing and the files that are known: both are in the order of paths."""
        known = self.execute("select path, size, modified, changed from file order by path")
        old = known.fetchone()
        for file in listing:
            while old and old[0] < file[0]:
                yield old[0], None, None, None
                old = known.fetchone()
            if old != file:
                yield file
            if old and old[0] == file[0]:
                old = known.fetchone()
        while old:
            yield old[0], None, None, None
            old = known.fetchone()

    def _forget_rows_without_pictures(self, files: int) -> None:
        """Delete rows that are to be shown and cannot be. Where only some are shown, what earlier runs chose will do."""
        if files > MOST_SHOWN and self.execute("select 1 from picture limit 1").fetchone():
            return
        share = share_shown(files)
        self.execute(
            "delete from row where path in (select path from row one where not exists (select 1 from picture"
            " where (path, page) = (one.path, one.page)) and (? >= 1 or status <> 'ok' or chance(path) < ?))",
            [share, share],
        )

    def _insert(self, scored: Scored, pictures: list[tuple[bytes, int, bytes, bytes]]) -> None:
        values = ", ?" * len(scored.rows[0])
        with transaction(self._connection):
            self._connection.executemany(f"insert into row values ({self._run}{values})", scored.rows)  # noqa: S608 - numbers
            self._connection.executemany("insert into picture values (?, ?, ?, ?)", pictures)


@contextmanager
def opened(out: Path, *, is_written: bool = False) -> Iterator[Store]:
    """Open the store of an output folder: see ``database.connected``."""
    with connected(out, is_written=is_written) as connection:
        yield Store(connection)
