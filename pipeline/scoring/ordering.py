"""Putting more records in order than memory should hold."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from pipeline.errors import PipelineError


def in_order(records: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Give records by their first part, in byte order; those that are the same in it, in the order they came in.

    Raises PipelineError when the folder for temporary files has no room.
    """
    try:
        # The empty name is a file of SQLite's own that goes away with the process.
        with closing(sqlite3.connect("", isolation_level=None)) as database:
            database.execute("pragma journal_mode = off")
            database.execute("create table record (number integer primary key, key blob, value blob)")
            database.execute("begin")
            database.executemany("insert into record (key, value) values (?, ?)", records)
            yield from database.execute("select key, value from record order by key, number")
    except sqlite3.OperationalError as error:
        raise PipelineError(
            f"cannot sort: {error}. Make room for temporary files, or name another folder in TMPDIR."
        ) from error
