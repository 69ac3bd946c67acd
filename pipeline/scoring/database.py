"""The SQLite file of a store: its tables, how it is opened, and what a person is told when that is refused."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline import atomic
from pipeline.errors import PipelineError
from pipeline.names import shown

NAME = "scores.db"
# Grows when a table changes.
SCHEMA = 3
# Archives that were looked into, and what is in them: their pictures, and they themselves where something is wrong with them.
ARCHIVES = """
create table archive (path blob primary key, ignored integer, unread text) without rowid;
create table member (path blob primary key, archive blob, size integer, place text) without rowid;
"""
TABLES = f"""
create table run (number integer primary key, source blob, model text, method text, is_fresh integer, manifest text);
create table file (path blob primary key, size integer, modified integer, changed integer) without rowid;
create table row (
  run integer, path blob, page integer,
  label integer, confidence real, second_label integer, second_confidence real, status text, reason text,
  {", ".join(f"p{digit} integer" for digit in range(10))}, pixels integer, line text, traits blob,
  primary key (path, page)
) without rowid;
create table picture (path blob, page integer, field blob, thumbnail blob, primary key (path, page)) without rowid;
{ARCHIVES}
pragma user_version = {SCHEMA};
"""
# What each schema lacks of the next one.
MISSING = {1: ARCHIVES, 2: "alter table row add column traits blob;"}
NEXT = {
    sqlite3.SQLITE_FULL: "Make room on the disk, then run again",
    sqlite3.SQLITE_IOERR: "Make room on the disk, or look after it, then run again",
    sqlite3.SQLITE_BUSY: "Another program holds it. End that one, then run again",
    sqlite3.SQLITE_CORRUPT: "It is damaged. Delete it, and every file is scored again",
    sqlite3.SQLITE_NOTADB: "It is damaged. Delete it, and every file is scored again",
}


@contextmanager
def connected(out: Path, *, is_written: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the store of an output folder, which is made where it is to be written; else one that is not there is an empty one.

    Raises PipelineError where SQLite refuses something, also in the block.
    """
    file = out / NAME
    if is_written:
        with atomic.refusals_of(file):
            out.mkdir(parents=True, exist_ok=True)
            file.open("ab").close()  # which says more than SQLite where it is refused
    is_there = file.exists() and file.stat().st_size
    place = file if is_written else address(out) if is_there else ":memory:"
    try:
        with closing(sqlite3.connect(place, uri=not is_written, isolation_level=None)) as connection:
            _get_ready(connection, file, is_written=is_written)
            yield connection
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
            raise
        hint = NEXT.get(error.sqlite_errorcode & 0xFF, "Make its folder writable, then run again")
        raise PipelineError(f"{shown(file)}: {error}. {hint}.") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Keep all that the block writes, or nothing where it fails."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _get_ready(connection: sqlite3.Connection, file: Path, *, is_written: bool) -> None:
    ((schema,),) = connection.execute("pragma user_version")
    ((tables,),) = connection.execute("select count(*) from sqlite_master")
    if tables and schema in MISSING:
        if is_written:
            steps = " ".join(MISSING[one] for one in range(schema, SCHEMA))
            connection.executescript(f"begin; {steps} pragma user_version = {SCHEMA}; commit;")
    elif tables and schema != SCHEMA:
        raise PipelineError(
            f"{shown(file)}: made by another version of this program, with schema {schema} in place of {SCHEMA}. "
            f"Use that version, or delete it, and every file is scored again."
        )
    if is_written:
        connection.executescript("pragma journal_mode = wal; pragma synchronous = normal")
    if not tables:
        connection.executescript(f"begin; {TABLES} commit;")


def address(out: Path) -> str:
    """Give how SQLite is told to read the file of an output folder, and never to write it."""
    return f"{(out / NAME).resolve().as_uri()}?mode=ro"
