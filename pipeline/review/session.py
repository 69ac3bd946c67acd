"""A person at the page of a batch: which picture comes next, and what becomes of a key."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from pipeline.errors import PipelineError
from pipeline.labelled.labels import NO_DIGIT
from pipeline.names import shown
from pipeline.params import Score
from pipeline.review import answers as kept
from pipeline.review import pictures, sample
from pipeline.review.answers import FIRST, SECOND, Answer, Answers
from pipeline.review.promise import Promise
from pipeline.review.queue import OTHERS_BETWEEN, Item, Mode, item_of, upcoming
from pipeline.review.sample import Sample

# Seconds that count at most: who goes for lunch does not look at a picture for an hour.
MOST_SECONDS = 60.0
# Seconds for a picture where nobody keyed one yet.
USUAL_SECONDS = 1.5


class GoneError(PipelineError):
    """The picture is none of the batch, or cannot be seen."""


class State(NamedTuple):
    """How far it is: pictures ``done`` of ``total``; ``each``: seconds that one takes.

    ``unseen``: left out, since there is nothing to see; ``is_scored``: no run of scoring is at work, or was interrupted.
    """

    done: int
    total: int
    unseen: int
    each: float
    is_scored: bool
    promise: Promise | None


@dataclass
class Session:
    """A batch in its output folder ``out``, and the person who keys it."""

    out: Path
    reader: str
    mode: Mode
    settings: Score
    _seen: dict[int, Item] = field(default_factory=dict)
    _unseen: dict[int, str] = field(default_factory=dict)
    _skipped: dict[int, int] = field(default_factory=dict)
    _keyed: int = 0
    _sample: tuple[object, Sample] | None = None
    _lock: Lock = field(default_factory=Lock)

    def require_work(self) -> None:
        """Raise PipelineError where a second reader has nothing to key, since nobody else did."""
        with kept.opened(self.out) as answers:
            ((others,),) = answers.execute("select count(*) from keyed where reader <> ?", [self.reader])
        if self.mode.is_second and not others:
            raise PipelineError(
                f"{shown(self.out)}: {shown(self.reader)} would key what another keyed, and nobody did. "
                f"First: `digits review {shown(self.out.name)} --blind`."
            )

    def look_again(self) -> None:
        """Forget which pictures could not be seen, and which were put off."""
        self._unseen.clear()
        self._skipped.clear()

    def next(self, count: int, without: Collection[int] = ()) -> list[tuple[Item, pictures.Seen]]:
        """Give some pictures that come next, apart from those that the page has already."""
        found = []
        with kept.opened(self.out) as answers:
            later = [picture for picture, at in self._skipped.items() if self._keyed - at < OTHERS_BETWEEN]
            passed = {*without, *self._unseen}
            for item in upcoming(answers, self.mode, self.reader, partial(self._drawn, answers), passed, later):
                seen = pictures.read(answers, item.path, item.page, item.picture, self.settings)
                if not seen.original:
                    self._unseen[item.picture] = seen.fault
                    continue
                self._seen[item.picture] = item
                found.append((item, seen))
                if len(found) == count:
                    break
        return found

    def answer(self, picture: int, look: str, value: str, seconds: float, token: str) -> str:
        """Keep an answer, and say whether the model ``agrees`` or ``differs``; nothing where that is not to be told.

        Raises GoneError for what was never shown, TakenError for what has an answer.
        """
        item = self._seen.get(picture)
        if item is None or item.look != look:
            raise GoneError("This picture is not waiting for that look. Load the page again.")
        is_blind = self.hides(item)
        with kept.opened(self.out) as answers:
            answers.add(
                Answer(
                    token,
                    picture,
                    look,
                    value,
                    item.label or NO_DIGIT,
                    is_blind,
                    self.reader,
                    min(seconds, MOST_SECONDS),
                    item.path,
                    item.page,
                )
            )
        self._keyed += 1
        self._skipped.pop(picture, None)
        if not is_blind or self.mode.is_second:
            return ""
        return "agrees" if value == (item.label or NO_DIGIT) else "differs"

    def skip(self, picture: int) -> None:
        """Show a picture later."""
        self._skipped[picture] = self._keyed

    def undo(self) -> tuple[Item, pictures.Seen, str] | None:
        """Take the last answer back, and give its picture, and what it was."""
        with kept.opened(self.out) as answers:
            found = answers.undo(self.reader)
            if found is None:
                return None
            picture, look, value = found
            item = item_of(answers, picture, look)
            if item is None:
                raise GoneError("The answer is taken back; its picture is not in the batch any more.")
            self._seen[picture] = item
            return item, pictures.read(answers, item.path, item.page, picture, self.settings), value

    def hides(self, item: Item) -> bool:
        """Tell whether the guess is hidden at this look."""
        return item.look == SECOND or (item.look == FIRST and (self.mode.is_blind or self.mode.is_sample))

    def state(self) -> State:
        """Say how far it is."""
        with kept.opened(self.out) as answers:
            ((each,),) = answers.execute("select avg(seconds) from keyed")
            ((is_scored,),) = answers.execute("select manifest is not null from scores.run order by number desc limit 1")
            promise = self.promise(answers)
            done, total = self._counts(answers, promise)
        return State(done, total, len(self._unseen), each or USUAL_SECONDS, bool(is_scored), promise)

    def promise(self, answers: Answers) -> Promise | None:
        """Say what the sample promises; None where none is keyed."""
        if not self.mode.is_sample:
            return None
        return sample.promised(answers, self._drawn(answers), self.mode.error, self.mode.sure)

    def _counts(self, answers: Answers, promise: Promise | None) -> tuple[int, int]:
        if promise:
            return promise.keyed, promise.keyed + (promise.more or 0)
        if self.mode.is_second:
            query = "select count(*) filter (where other is not null and waits is null), count(*) from keyed where reader <> ?"
            ((done, total),) = answers.execute(query, [self.reader])
            return done, total
        ((done, total),) = answers.execute(
            "select count(*) filter (where keyed.picture is not null and waits is null), count(*)"
            " from (select distinct pixels from scores.row where status = 'review') left join keyed on picture = pixels"
        )
        return done, total

    def _drawn(self, answers: Answers) -> Sample:
        """Draw the sample, once for each state of the scores."""
        ((state,),) = answers.execute(
            "select max(number) || ' ' || count(*) from scores.run, (select count(*) from scores.row)"
        )
        with self._lock:
            if self._sample is None or self._sample[0] != state:
                self._sample = state, sample.draw(answers)
            return self._sample[1]
