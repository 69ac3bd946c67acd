"""The store of a batch: one SQLite file beside its CSV, of files, rows, pictures for people, and runs."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.scoring.database import connected, transaction
from pipeline.scoring.kinds import ARCHIVES
from pipeline.scoring.listing import File, Listing
from pipeline.scoring.row import MOST_SHOWN, chance, name_in_csv, share_shown
from pipeline.scoring.shard import Scored, Shard

if TYPE_CHECKING:
    from pipeline.scoring.archives.contents import Contents

# Files that are read at once; and the bytes of a shard, which is so done in seconds too where scans are large.
AT_ONCE = 1000
SHARD_BYTES = 2**25
# What there is to score after a path: files, but for archives that were looked into, and what is in those.
ENTRIES = (
    "select path, size, x'' as archive, '' as place from file where path > ?1 and path not in (select path from archive)"
    " union all select path, size, archive, place from member where path > ?1"
    # In storage a file may have the name of a member: then there is one row for both, the file's.
    " and (path = archive or path not in (select path from file))"
)
# A path, a size in bytes, and the archive that it is in, and where there, or neither.
Entry = tuple[bytes, int, bytes, str]
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


@dataclass(frozen=True)
class Plan:
    """What a run has to do.

    ``files``: all there are, those in archives too; ``pending``: those that it scores, of ``size`` bytes; ``reused`` and
    ``resumed``: those that have their rows of an earlier run, or of this one before it was interrupted.
    """

    files: int
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
        self._run, self._is_resumed, self._pending = 0, False, ENTRIES
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

    def begin(self, source: Path, model: str, method: str, listing: Listing, *, is_fresh: bool) -> None:
        """Note what is listed. Rows stay that were made in the same way of files that did not change.

        A run that was interrupted goes on where nothing changed.
        """
        # Changed files, those of them that are gone without a size.
        self.execute("create temp table change (path blob primary key, size, modified, changed) without rowid")
        with transaction(self._connection):
            last = self._last
            # Where nothing is known, all of it is new.
            table, entries = ("change", self._changes(listing)) if last else ("file", iter(listing))
            self._connection.executemany(f"insert into {table} values (?, ?, ?, ?)", entries)  # noqa: S608 - one of two
            ((changes,),) = self.execute("select count(*) from change")
            self._is_resumed = last is not None and last[2:] == (method, is_fresh, False) and not changes
            if last and not self._is_resumed and (last[2] != method or is_fresh):
                self.execute("delete from row")
            if not self._is_resumed:
                values = [os.fsencode(source), model, method, is_fresh]
                self.execute("insert into run (source, model, method, is_fresh) values (?, ?, ?, ?)", values)
            ((self._run,),) = self.execute("select max(number) from run")
            if changes:
                within = "select member.path from member join change on archive = change.path"
                self.execute(f"delete from row where path in (select path from change union all {within})")  # noqa: S608 - ours
                for table, column in (("member", "archive"), ("archive", "path")):
                    self.execute(f"delete from {table} where {column} in (select path from change)")  # noqa: S608 - ours
                self.execute("delete from file where path in (select path from change where size is null)")
                self.execute("insert or replace into file select * from change where size is not null order by path")

    def unopened(self) -> list[tuple[bytes, int]]:
        """Give the archives that were not looked into since they changed, and their sizes."""
        query = (
            "select path, size from file where lower(substr(path, -4)) in (select value from json_each(?))"
            " and path not in (select path from archive) order by path"
        )
        return self.execute(query, [json.dumps([suffix.decode() for suffix in ARCHIVES])]).fetchall()

    def keep(self, found: "Contents") -> None:
        """Note what is in an archive."""
        with transaction(self._connection):
            unread = json.dumps(found.unread, sort_keys=True)
            self.execute("insert into archive values (?, ?, ?)", [found.archive, found.ignored, unread])
            members = ((path, found.archive, size, place) for path, size, place in sorted(found.members))
            self._connection.executemany("insert into member values (?, ?, ?, ?)", members)

    def add_left_out(self, listing: Listing) -> None:
        """Add to a listing what was left out in archives."""
        for path, ignored, unread in self.execute("select path, ignored, unread from archive order by path"):
            listing.leave_out(path, ignored, json.loads(unread))

    def plan(self, *, has_pictures: bool) -> Plan:
        """Find what is new. ``has_pictures``: a row stays only with its picture, if it is to be shown."""
        ((files,),) = self.execute(f"select count(*) from ({ENTRIES})", [b""])  # noqa: S608 - ours
        with transaction(self._connection):
            if has_pictures:
                self._forget_rows_without_pictures(files)
            self.execute(
                "delete from picture where not exists (select 1 from row where (path, page) = (picture.path, picture.page))"
            )
            if self.execute("select 1 from row limit 1").fetchone():
                self.execute("create temp table pending (path blob primary key, size, archive, place) without rowid")
                self.execute(
                    f"insert into pending select * from ({ENTRIES}) entry"  # noqa: S608 - ours
                    " where not exists (select 1 from row where path = entry.path)",
                    [b""],
                )
                self._pending = "select path, size, archive, place from pending where path > ?1"
        ((pending, size),) = self.execute(f"select count(*), coalesce(sum(size), 0) from ({self._pending})", [b""])  # noqa: S608 - ours
        ((resumed,),) = self.execute("select count(*) from row where run = ? and page = 1", [self._run])
        return Plan(files, pending, size, files - pending - resumed, resumed, self._is_resumed)

    def shards(self, files: int) -> Iterator[Shard]:
        """Cut what is to be scored into shards of at most so many files, or of some megabytes."""

        def entries() -> Iterator[Entry]:
            last = b""
            # In small parts: while one is read, what is written stays in the log.
            while some := self.execute(f"{self._pending} order by path limit ?2", [last, AT_ONCE]).fetchall():
                yield from some
                last = some[-1][0]

        return _cut(entries(), files)

    def shards_of(self, paths: Iterable[bytes], files: int) -> Iterator[Shard]:
        """Cut some files, or members of archives, into shards."""
        query = ENTRIES.replace(">", "=")
        return _cut((entry for path in paths for entry in self.execute(query, [path])), files)

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


def _cut(entries: Iterable[Entry], files: int) -> Iterator[Shard]:
    """Cut files into shards. Members of an archive are apart from all else."""
    for archive, some in groupby(entries, itemgetter(2)):
        paths: list[bytes] = []
        places: list[str] = []
        total = 0
        for path, size, _, place in some:
            if paths and (len(paths) == files or total + size > SHARD_BYTES):
                yield Shard(tuple(paths), archive, tuple(places))
                paths, places, total = [], [], 0
            paths.append(path)
            places.append(place if archive else str(size))
            total += size
        yield Shard(tuple(paths), archive, tuple(places))


@contextmanager
def opened(out: Path, *, is_written: bool = False) -> Iterator[Store]:
    """Open the store of an output folder: see ``database.connected``."""
    with connected(out, is_written=is_written) as connection:
        yield Store(connection)
