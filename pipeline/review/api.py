"""What the review page asks its server for, and what it sends."""

import secrets
from http import HTTPStatus
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pipeline.digits.field import FIELD
from pipeline.names import shown
from pipeline.review import answers, pictures, summary
from pipeline.review.pictures import Seen
from pipeline.review.queue import Item
from pipeline.review.session import Session, State

COOKIE = "digits-review"
MOST_ITEMS = 20
# 64 bits, the first of them 0, which SQLite has for a sign.
PICTURE = "^[0-7][0-9a-f]{15}$"
Picture = Annotated[str, Field(pattern=PICTURE)]


class Body(BaseModel):
    """What the page sends: exactly this."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Key(Body):
    """A key: for which picture, at which look, after how many seconds. ``token``: its own, the same when it is sent again."""

    picture: Picture
    look: Literal["first", "again", "second", "third"]
    value: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "none"]
    seconds: Annotated[float, Field(ge=0, le=1e6)]
    token: Annotated[str, Field(pattern="^[0-9a-f-]{16,40}$")]


class Skip(Body):
    """A picture that is to come later."""

    picture: Picture


class Other(BaseModel):
    """What somebody keyed for a picture at an earlier look."""

    reader: str
    value: str


class Shown(BaseModel):
    """A picture, as the page shows it. ``guesses`` are empty where they are hidden; ``original``, ``field``: addresses."""

    picture: str
    look: str
    name: str
    page: int
    original: str
    field: str
    fault: str
    guesses: list[tuple[str, float]]
    reason: str
    others: list[Other]


class Progress(BaseModel):
    """How far it is, in numbers and in words; ``is_scored``: no run of scoring is at work."""

    done: int
    total: int
    seconds_left: float
    is_scored: bool
    words: list[str]


class Kept(BaseModel):
    """An answer is on disk. ``outcome``: ``agrees`` or ``differs``, or nothing where that is not to be told."""

    outcome: str


class Undone(BaseModel):
    """The answer that was taken back, if any, and its picture."""

    item: Shown | None
    value: str


def router(session: Session, token: str) -> APIRouter:
    """Give what a session can be asked, by those who have the token in a cookie."""

    def with_cookie(request: Request) -> None:
        if not secrets.compare_digest(request.cookies.get(COOKIE, "").encode(), token.encode()):
            raise HTTPException(HTTPStatus.FORBIDDEN, "Load the page first.")

    refusals: dict[int | str, dict[str, Any]] = {
        status: {"description": words}
        for status, words in (
            (400, "the body is no JSON"),
            (403, "from another page, or without the cookie"),
            (404, "no such picture"),
            (409, "answered already"),
            (413, "too large"),
            (507, "not kept, and why"),
        )
    }
    api = APIRouter(dependencies=[Depends(with_cookie)], responses=refusals)

    @api.get("/items")
    def items(
        count: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 8,
        without: Annotated[list[Picture] | None, Query(max_length=100)] = None,
    ) -> list[Shown]:
        """Give what comes next, apart from what the page has."""
        return [_shown(session, *one) for one in session.next(count, [int(one, 16) for one in without or ()])]

    @api.get("/progress")
    def progress() -> Progress:
        """Say how far it is."""
        return _progress(session, session.state())

    @api.get("/summary")
    def summed_up() -> list[str]:
        """Say what came of it so far."""
        with answers.opened(session.out) as kept:
            return summary.of_batch(kept).lines

    @api.post("/answers")
    def answer(key: Key) -> Kept:
        """Keep a key. It is on disk when this answers."""
        return Kept(outcome=session.answer(int(key.picture, 16), key.look, key.value, key.seconds, key.token))

    @api.post("/skips", status_code=HTTPStatus.NO_CONTENT)
    def skip(one: Skip) -> None:
        """Show a picture later."""
        session.skip(int(one.picture, 16))

    @api.post("/undo")
    def undo() -> Undone:
        """Take the last answer back."""
        found = session.undo()
        return Undone(item=found and _shown(session, *found[:2]), value=found[2] if found else "")

    return api


def _shown(session: Session, item: Item, seen: Seen) -> Shown:
    is_hidden = session.hides(item)
    guesses = [(item.label, item.confidence), (item.second_label, item.second_confidence)]
    field = np.frombuffer(seen.field, np.uint8).reshape(FIELD, FIELD) if seen.field else None
    _, png = cv2.imencode(".png", field) if field is not None else (None, None)
    return Shown(
        picture=f"{item.picture:016x}",
        look=item.look,
        name=shown(item.path),
        page=item.page,
        original=pictures.address(seen.original),
        field=pictures.address(png.tobytes()) if png is not None else "",
        fault=seen.fault,
        guesses=[] if is_hidden else [(label, chance) for label, chance in guesses if label is not None and chance is not None],
        reason="" if is_hidden else item.reason,
        others=[Other(reader=reader, value=value) for reader, value in item.others],
    )


def _progress(session: Session, state: State) -> Progress:
    left = max(0, state.total - state.done)
    return Progress(
        done=state.done,
        total=state.total,
        seconds_left=left * state.each,
        is_scored=state.is_scored,
        words=summary.of_state(session.out, state),
    )
