"""Which pictures of a batch a person is to look at, in order."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from pipeline.review.answers import AGAIN, FIRST, SECOND, THIRD, Answers
from pipeline.review.sample import Sample, promised

# A picture comes again after so many others, when it is forgotten.
OTHERS_BETWEEN = 10


@dataclass(frozen=True)
class Mode:
    """What a person does. ``is_second``: key what another keyed; ``error``, ``sure``: key a random sample, for this promise."""

    is_blind: bool = False
    is_second: bool = False
    error: float = 0.0
    sure: float = 0.0

    @property
    def is_sample(self) -> bool:
        """Tell whether the rows are a random sample."""
        return bool(self.error)


class Item(NamedTuple):
    """A picture that is to be looked at, with its row and the ``look``; ``others``: readers and values of its earlier looks."""

    picture: int
    look: str
    path: bytes
    page: int
    label: str | None
    confidence: float | None
    second_label: str | None
    second_confidence: float | None
    reason: str
    others: tuple[tuple[str, str], ...] = ()


def upcoming(
    answers: Answers, mode: Mode, reader: str, draw: Callable[[], Sample], passed: set[int], later: Collection[int]
) -> Iterator[Item]:
    """Yield what waits for a reader, each picture once: none that is ``passed``, and the ``later`` ones at the end.

    ``draw`` gives the sample where the mode asks for one.
    """
    # Who keys after another must not see what that one saw.
    again = [] if mode.is_second else list(_waiting(answers, AGAIN))
    once_more = [*again, *_waiting(answers, THIRD)]
    ((last,),) = answers.execute("select coalesce(max(number), 0) from answer where not is_undone")
    due = [item for item, number in once_more if number <= last - OTHERS_BETWEEN]
    others = [item for item, _ in once_more]
    for is_end in (False, True):
        for item in chain(due, _fresh(answers, mode, reader, draw), others):
            if item.picture not in passed and (is_end or item.picture not in later):
                passed.add(item.picture)
                yield item
        if not later:
            return


def item_of(answers: Answers, picture: int, look: str) -> Item | None:
    """Give a picture that was keyed for a look; None where no row has it."""
    place = answers.execute("select path, page from answer where picture = ? limit 1", [picture]).fetchone()
    # Where it lay it mostly lies: all rows are only looked through for one that moved.
    item = next(_rows(answers, "(path, page) = (?, ?) and row.pixels = ?", *place, picture), None)
    item = item or next(_rows(answers, "row.pixels = ?", picture), None)
    return item and _for(answers, item, look)


def _fresh(answers: Answers, mode: Mode, reader: str, draw: Callable[[], Sample]) -> Iterator[Item]:
    if mode.is_sample:
        drawn = draw()
        found = promised(answers, drawn, mode.error, mode.sure)
        if found.more is None:  # no number of others would promise more
            return
        blind = dict(answers.execute("select picture, was_blind from keyed"))
        for place, picture in zip(drawn.rows, drawn.pictures, strict=True):
            if not blind.get(picture):
                for item in _rows(answers, "(path, page) = (?, ?)", *place):
                    yield _for(answers, item, SECOND if picture in blind else FIRST)
    elif mode.is_second:
        waits = "select 1 from keyed where picture = row.pixels and reader <> ? and other is null and waits is null"
        for item in _rows(answers, f"exists ({waits})", reader):
            yield _for(answers, item, SECOND)
    else:
        yield from _rows(answers, "status = 'review' and not exists (select 1 from keyed where picture = row.pixels)")


def _waiting(answers: Answers, look: str) -> Iterator[tuple[Item, int]]:
    """Yield what waits for a look, with the number of its last answer."""
    query = (
        "select keyed.picture, max(number) from keyed join answer using (picture) where waits = ? and not is_undone"
        " group by 1 order by 2"
    )
    for picture, number in answers.execute(query, [look]).fetchall():
        if item := item_of(answers, picture, look):
            yield item, number


def _for(answers: Answers, item: Item, look: str) -> Item:
    """Give an item for a look, with what is shown at that of the earlier ones."""
    query = "select reader, value from answer where picture = ? and not is_undone and look <> ? order by number"
    others = answers.execute(query, [item.picture, look]).fetchall() if look in (AGAIN, THIRD) else ()
    return item._replace(look=look, others=tuple(others))


def _rows(answers: Answers, where: str, *values: object) -> Iterator[Item]:
    query = (
        "select pixels, path, page, label, confidence, second_label, second_confidence, reason from scores.row"  # noqa: S608 - ours
        f" where {where} and pixels <> 0 order by confidence, path, page"
    )
    for picture, path, page, label, confidence, second, chance, reason in answers.execute(query, values):
        labels = (None if one is None else str(one) for one in (label, second))
        yield Item(picture, FIRST, path, page, next(labels), confidence, next(labels), chance, reason)
