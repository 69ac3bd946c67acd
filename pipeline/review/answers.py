"""What a person keyed of a batch: one SQLite file beside its scores, which no run of scoring touches.

An answer belongs to a picture, which is known by its pixels: it stays when the batch is scored again, by another model, or when
the file gets another name. What is undone stays in the file too.
"""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pipeline import atomic, layout
from pipeline.errors import PipelineError
from pipeline.labelled.labels import NO_DIGIT
from pipeline.names import shown
from pipeline.scoring import database

NAME = layout.ANSWERS
# Grows when a table changes.
SCHEMA = 1
VALUES = (*map(str, range(10)), NO_DIGIT)
# The looks at a picture: the first; another of the same person, who keyed something else than the model, blind; that of another
# person, or of the same one who did not key it blind; and one that settles it where these differ.
FIRST, AGAIN, SECOND, THIRD = ("first", "again", "second", "third")
TABLES = f"""
create table answer (
  number integer primary key, token text not null unique, picture integer not null, look text not null, value text not null,
  guess text not null, is_blind integer not null, reader text not null, seconds real not null, at text not null,
  path blob, page integer,
  is_undone integer not null default 0
);
create unique index one_answer on answer (picture, look) where not is_undone;
create table setting (name text primary key, value text not null) without rowid;
create view keyed as
select one.picture, one.reader, coalesce(again.value, one.value) as own,
  second.value as other, second.reader as other_reader,
  case when third.value is not null then third.value
    when second.value is null or second.value = coalesce(again.value, one.value) then coalesce(again.value, one.value)
  end as value,
  case when third.value is not null then null
    when second.value <> coalesce(again.value, one.value) then '{THIRD}'
    when second.value is null and again.value is null and one.is_blind and one.value <> one.guess then '{AGAIN}'
  end as waits,
  one.is_blind or second.value is not null as was_blind,
  one.seconds + coalesce(again.seconds, 0) + coalesce(second.seconds, 0) + coalesce(third.seconds, 0) as seconds,
  coalesce(third.at, second.at, again.at, one.at) as at,
  coalesce(third.reader, one.reader) as last_reader
from answer one
  left join answer again on again.picture = one.picture and again.look = '{AGAIN}' and not again.is_undone
  left join answer second on second.picture = one.picture and second.look = '{SECOND}' and not second.is_undone
  left join answer third on third.picture = one.picture and third.look = '{THIRD}' and not third.is_undone
where one.look = '{FIRST}' and not one.is_undone;
pragma user_version = {SCHEMA};
"""  # noqa: S608 - ours
SECONDS_TO_WAIT = 10
DAMAGED = "It is damaged. Keep a copy of it, and bring it back from a backup, or key again without it"
DAMAGES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
NEXT = {
    sqlite3.SQLITE_FULL: "Make room on the disk, then key it again",
    sqlite3.SQLITE_IOERR: "Make room on the disk, or look after it, then key it again",
    sqlite3.SQLITE_BUSY: "Another program holds it. End that one, then key it again",
    **dict.fromkeys(DAMAGES, DAMAGED),
}


class TakenError(PipelineError):
    """Somebody gave this answer already, in another window."""


@dataclass(frozen=True)
class Answer:
    """A key that was pressed. ``token``: its own name, by which it is known when it comes twice; ``guess``: of the model.

    ``picture``: as ``pixels`` of its row; ``path``, ``page``: where it lay; ``seconds``: that it was looked at.
    """

    token: str
    picture: int
    look: str
    value: str
    guess: str
    is_blind: bool
    reader: str
    seconds: float
    path: bytes
    page: int


class Answers:
    """The answers of a batch, opened."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection to their file."""
        self._connection = connection
        self.execute = connection.execute

    def add(self, answer: Answer) -> bool:
        """Keep an answer, on disk when this returns, and tell whether it is new: with the same token it is there once.

        Raises TakenError where the picture has an answer of this look already.
        """
        try:
            found = self.execute(
                "insert into answer (token, picture, look, value, guess, is_blind, reader, seconds, path, page, at)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (token) do nothing",
                [*astuple(answer), _now()],
            )
            return found.rowcount > 0
        except sqlite3.IntegrityError:
            query = "select value, reader, at from answer where picture = ? and look = ? and not is_undone"
            value, reader, at = self.execute(query, [answer.picture, answer.look]).fetchone()
            raise TakenError(
                f"{reader} keyed {words_of(value)} for this picture at {at}: {words_of(answer.value)} was not kept."
            ) from None

    def undo(self, reader: str) -> tuple[int, str, str] | None:
        """Take back the last answer of a reader, and give its picture, look and value; None where there is none."""
        found: tuple[int, str, str] | None = self.execute(
            "update answer set is_undone = 1 where number ="
            " (select max(number) from answer where reader = ? and not is_undone) returning picture, look, value",
            [reader],
        ).fetchone()
        return found

    def together(self) -> AbstractContextManager[None]:
        """Keep all answers of a block, or none of them where it fails."""
        return database.transaction(self._connection)

    def seed(self) -> str:
        """Give what the random sample of this batch is drawn by: the same each time, drawn when it is first asked for."""
        self.execute("insert into setting values ('seed', ?) on conflict do nothing", [secrets.token_hex(8)])
        ((seed,),) = self.execute("select value from setting where name = 'seed'")
        return str(seed)

    def remember(self, name: str, value: str) -> None:
        """Keep a setting."""
        self.execute("insert into setting values (?, ?) on conflict do update set value = excluded.value", [name, value])

    def recall(self, name: str) -> str | None:
        """Give a setting, or None."""
        found = self.execute("select value from setting where name = ?", [name]).fetchone()
        return found and str(found[0])


class Agreement(NamedTuple):
    """How two readers agree: of how many pictures, on how many, and Cohen's kappa."""

    pictures: int
    same: int
    kappa: float


def agreement(answers: Answers) -> Agreement | None:
    """Compare what was keyed first and second, by two people; None where no second one keyed."""
    pairs = answers.execute("select own, other from keyed where other is not null and other_reader <> reader").fetchall()
    if not pairs:
        return None
    same, total = sum(own == other for own, other in pairs), len(pairs)
    firsts, seconds = zip(*pairs, strict=True)
    by_chance = sum(firsts.count(value) * seconds.count(value) for value in VALUES) / total**2
    return Agreement(total, same, 1.0 if by_chance == 1 else (same / total - by_chance) / (1 - by_chance))


def words_of(value: str) -> str:
    """Say an answer."""
    return "no digit" if value == NO_DIGIT else value


@contextmanager
def opened(out: Path) -> Iterator[Answers]:
    """Open the answers of an output folder, and as ``scores`` its store, which is not changed.

    Raises PipelineError where SQLite refuses something, also in the block, and where nothing was scored.
    """
    file = out / NAME
    if not (out / database.NAME).exists():
        raise PipelineError(f"{shown(out)}: no scores to look at. Score a folder first: `digits score FOLDER`.")
    with atomic.refusals_of(file):
        file.open("ab").close()  # which says more than SQLite where it is refused
    try:
        place = f"{file.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(place, uri=True, isolation_level=None, timeout=SECONDS_TO_WAIT)) as connection:
            connection.executescript("pragma journal_mode = delete; pragma synchronous = full")
            _get_ready(connection, file)
            connection.execute("attach database ? as scores", [database.address(out)])
            ((schema,),) = connection.execute("pragma scores.user_version")
            if schema != database.SCHEMA:
                raise PipelineError(
                    f"{shown(out / database.NAME)}: made by another version of this program. Score the folder again."
                )
            yield Answers(connection)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
            raise
        code = error.sqlite_errorcode & 0xFF
        if code in DAMAGES and _is_sound(file):
            raise PipelineError(
                f"{shown(out / database.NAME)}: {error}. {database.NEXT[code]}. What was keyed stays."
            ) from error
        hint = NEXT.get(code, "Make its folder writable, then key it again")
        raise PipelineError(f"{shown(file)}: {error}. {hint}.") from error


def _get_ready(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute("begin immediate")
    ((schema,),) = connection.execute("pragma user_version")
    ((tables,),) = connection.execute("select count(*) from sqlite_master")
    connection.execute("commit")
    if tables and schema != SCHEMA:
        raise PipelineError(f"{shown(file)}: made by another version of this program. Use that version.")
    if not tables:
        connection.executescript(f"begin immediate; {TABLES} commit;")


def _is_sound(file: Path) -> bool:
    """Tell whether the answers are whole, so that what is damaged are the scores."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("pragma quick_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _now() -> str:
    return f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"
