"""Scoring one shard: a pure step from the names of some pictures to their rows of the CSV."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple, TypeGuard, TypeVar

import cv2
import numpy as np

from pipeline.digits.arrays import Floats, Gray, Images
from pipeline.digits.field import FIELD
from pipeline.digits.network.model import Classifier, in_batches, probabilities
from pipeline.digits.network.second_look import look_again
from pipeline.digits.pictures import normalising, trust
from pipeline.digits.pictures.files import decoding
from pipeline.digits.pictures.files.limits import DecodeError, Limits, PerhapsHalf
from pipeline.scoring.row import Row, Rules, name_in_csv, unlabelled_row

# Memory grows with it, speed does not.
BATCH = 100
# Pictures that go through one step before any goes through the next: the processor's caches hold the code of one step.
TOGETHER = 32
PIXELS_TOGETHER = 2**20
# A decoder reads a file of more bytes piece by piece.
LARGEST_AT_ONCE = 2**22
# The folder is opened to find files from it; with O_PATH that needs no right to list them.
FOLDER = getattr(os, "O_PATH", os.O_RDONLY)

Before = TypeVar("Before")
After = TypeVar("After")


class Unreadable(Exception):
    """A file that is not read; the message is the reason, for a person."""


class Page(NamedTuple):
    """A picture, perhaps half of one, or the reason why there is none; its page, from 1, and its file's number, from 0."""

    file: int
    page: int
    picture: Gray | str
    is_perhaps_half: bool = False


class Reading(NamedTuple):
    """A page as it was normalised, or the reason why it was not, and the picture itself where it is to be shown.

    ``file``, ``page``: as of a ``Page``; ``thumbnail``: (h, w) uint8, of at most so many pixels on a side.
    """

    file: int
    page: int
    glyph: normalising.Glyph | str
    thumbnail: Gray | None

    @property
    def field(self) -> Gray | None:
        """What the network saw: (28, 28) uint8; None where there was nothing to see."""
        return None if isinstance(self.glyph, str) else self.glyph.field


def score_files(folder: bytes, paths: Sequence[bytes], classifier: Classifier, model: str, rules: Rules) -> list[Row]:
    """Decode, normalise and read files: a row for each page, in order; a broken one never stops the rest.

    ``paths`` are below ``folder``; ``model`` is the version that ``classifier`` holds.
    """
    return rows(paths, list(read(folder, paths, rules)), classifier, model, rules)


def rows(paths: Sequence[bytes], readings: Sequence[Reading], classifier: Classifier, model: str, rules: Rules) -> list[Row]:
    """Give the rows of pages that were read already, from files with these paths."""
    found = [reading.field for reading in readings if reading.field is not None]
    answers = _answers(classifier, np.array(found, np.uint8).reshape(-1, FIELD, FIELD, 1), rules)
    return [
        unlabelled_row(paths[reading.file], reading.page, "error", reading.glyph, model, rules)
        if isinstance(reading.glyph, str)
        else _row(paths[reading.file], reading.page, reading.glyph, next(answers), model, rules)
        for reading in readings
    ]


class _Restricted(Classifier):
    """A classifier that some digits cannot be the answer of."""

    def __init__(self, classifier: Classifier, impossible: list[int]) -> None:
        self._classifier = classifier
        self._impossible = impossible

    def logits(self, images: Images) -> Floats:
        logits = self._classifier.logits(images)
        logits[:, self._impossible] = -np.inf
        return logits


class _Answer(NamedTuple):
    """The two digits that a field shows most likely, and the probability of every digit."""

    first: int
    second: int
    probabilities: list[float]


def _answers(classifier: Classifier, fields: Images, rules: Rules) -> Iterator[_Answer]:
    """Read fields of (N, 28, 28, 1)."""
    impossible = [digit for digit in range(10) if digit not in rules.digits]
    reader = _Restricted(classifier, impossible) if impossible else classifier
    logits = look_again(reader, fields, in_batches(reader, fields, BATCH), rules.temperature)
    shares = probabilities(logits, rules.temperature)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :2].tolist()
    return (_Answer(first, second, row) for (first, second), row in zip(order, shares.tolist(), strict=True))


def read(folder: bytes, paths: Sequence[bytes], rules: Rules, thumbnail_side: int = 0) -> Iterator[Reading]:
    """Decode and normalise every page of files. No thumbnail is larger than ``thumbnail_side`` pixels; 0 for none."""
    place = _attempt(partial(os.open, flags=FOLDER), folder)
    if isinstance(place, str):
        yield from (Reading(number, 1, place, None) for number in range(len(paths)))
        return
    open_file = partial(_read, folder=place, maximum_bytes=rules.maximum_bytes)
    try:
        for start in range(0, len(paths), TOGETHER):
            contents = [_attempt(open_file, path) for path in paths[start : start + TOGETHER]]
            for group in _in_groups(_pages(contents, start, rules)):
                files, numbers, pictures, _ = zip(*group, strict=True)
                thumbnails = [_thumbnail(one, thumbnail_side) for one in pictures]
                yield from map(Reading, files, numbers, _normalised(group), thumbnails)
    finally:
        os.close(place)


def _pages(contents: Iterable[bytes | BinaryIO | str], first: int, limits: Limits) -> Iterator[Page]:
    """Decode files, of which the first has that number, and close them."""
    for number, content in enumerate(contents, first):
        if isinstance(content, str):
            yield Page(number, 1, content)
            continue
        for page, found in enumerate(decoding.pages(content, limits), 1):
            if isinstance(found, PerhapsHalf):
                yield Page(number, page, found.picture, is_perhaps_half=True)
            else:
                yield Page(number, page, str(found) if isinstance(found, DecodeError) else found)
        if not isinstance(content, bytes):
            content.close()


def _in_groups(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """Group pages: large ones are not many at a time."""
    group: list[Page] = []
    pixels = 0
    for page in pages:
        group.append(page)
        pixels += 0 if isinstance(page.picture, str) else page.picture.size
        if pixels >= PIXELS_TOGETHER or len(group) == TOGETHER:
            yield group
            group, pixels = [], 0
    if group:
        yield group


def _thumbnail(picture: Gray | str, side: int) -> Gray | None:
    """Shrink a picture that is larger than ``side``."""
    if isinstance(picture, str) or not side:
        return None
    longest = max(picture.shape)
    if longest <= side:
        return picture
    height, width = (max(1, length * side // longest) for length in picture.shape)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _normalised(pages: Sequence[Page]) -> list[normalising.Glyph | str]:
    """Normalise pages: those that are made like MNIST already together, the others one by one."""
    unchanged = iter(normalising.unchanged([page.picture for page in pages if _is_field(page.picture)]))
    return [
        glyph if _is_field(page.picture) and (glyph := next(unchanged)) else _attempt(partial(_normalise, page), page.picture)
        for page in pages
    ]


def _normalise(page: Page, picture: Gray) -> normalising.Glyph:
    return normalising.normalise(picture)._replace(is_perhaps_half=page.is_perhaps_half)


def _is_field(picture: Gray | str) -> TypeGuard[Gray]:
    return not isinstance(picture, str) and picture.shape == (FIELD, FIELD)


def _attempt(step: Callable[[Before], After], value: Before | str) -> After | str:
    """Take a step, or give the reason why it cannot be taken, which may be that of an earlier one."""
    if isinstance(value, str):
        return value
    try:
        return step(value)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except Unreadable as error:
        return str(error)
    except MemoryError:
        return "needs more memory than there is"
    except Exception as error:  # noqa: BLE001 - whatever picture the normaliser was not made for, the others are scored
        return f"cannot be normalised: {' '.join(str(error).split())[:120] or type(error).__name__}"


def _read(path: bytes, *, folder: int, maximum_bytes: int) -> bytes | BinaryIO:
    """Read a file below an open folder, or open a large one.

    Nothing that is none is opened, nor waited for when it took a file's place.
    """
    status = os.stat(path, dir_fd=folder)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("not a file")
    size = status.st_size
    if size > maximum_bytes:
        raise Unreadable(f"{size} bytes, more than {maximum_bytes}")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK, dir_fd=folder)
    if size > LARGEST_AT_ONCE:
        return os.fdopen(descriptor, "rb")
    try:
        content = os.read(descriptor, size)
        while len(content) < size and (more := os.read(descriptor, size - len(content))):
            content += more
        return content
    finally:
        os.close(descriptor)


def _row(path: bytes, page: int, glyph: normalising.Glyph, answer: _Answer, model: str, rules: Rules) -> Row:
    confidence = answer.probabilities[answer.first]
    reason = trust.doubt(glyph, confidence, rules.minimum_confidence)
    status = "review" if reason else "ok"
    if reason == trust.BLANK:
        return unlabelled_row(path, page, status, reason, model, rules)
    is_choice = len(rules.digits) > 1
    return Row(
        file=name_in_csv(path),
        page=page,
        label=str(answer.first),
        confidence=f"{confidence:.4f}",
        second_label=str(answer.second) if is_choice else "",
        second_confidence=f"{answer.probabilities[answer.second]:.4f}" if is_choice else "",
        status=status,
        reason=reason,
        model=model,
        probabilities=tuple(f"{share:.4f}" for share in answer.probabilities) if rules.probabilities else (),
    )
