"""Putting more records in order than memory should hold."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain, islice
from operator import itemgetter

from pipeline.errors import PipelineError

# This many records take less time than a file, and less memory than the rest of a run.
IN_MEMORY = 2**17


def in_order(records: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Give records by their first part, in byte order; those that are the same in it, in the order they came in.

    Raises PipelineError when the folder for temporary files has no room.
    """
    records = iter(records)
    few = sorted(islice(records, IN_MEMORY), key=itemgetter(0))
    if len(few) < IN_MEMORY:
        yield from few
        return
    import sqlite3  # which few runs need

    try:
        # The empty name is a file of SQLite's own that goes away with the process.
        with closing(sqlite3.connect("", isolation_level=None)) as database:
            database.execute("pragma journal_mode = off")
            database.execute("create table record (number integer primary key, key blob, value blob)")
            database.execute("begin")
            database.executemany("insert into record (key, value) values (?, ?)", chain(few, records))
            few.clear()
            yield from database.execute("select key, value from record order by key, number")
    except sqlite3.OperationalError as error:
        raise PipelineError(
            f"cannot sort: {error}. Make room for temporary files, or name another folder in TMPDIR."
        ) from error
