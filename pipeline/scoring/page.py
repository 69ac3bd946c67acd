"""From the names of files to their pages, decoded and normalised, and from those to their rows."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple, TypeGuard, TypeVar

import numpy as np

from pipeline.digits.arrays import Gray
from pipeline.digits.field import FIELD
from pipeline.digits.network.answers import Answer, read_fields
from pipeline.digits.network.model import Classifier
from pipeline.digits.pictures import normalising, traits, trust
from pipeline.digits.pictures.files import decoding, heif, pdf, tiff
from pipeline.digits.pictures.files.limits import Decoded, DecodeError, Limits, PerhapsHalf
from pipeline.digits.pictures.normalising import Glyph
from pipeline.digits.pictures.traits import Shades
from pipeline.reports import thumbnails
from pipeline.scoring import files
from pipeline.scoring.row import Row, Rules, is_compared, name_in_csv
from pipeline.scoring.shard import Begin, Content, Shard

# Pictures that go through one step before any goes through the next: the processor's caches hold the code of one step.
TOGETHER = 32
PIXELS_TOGETHER = 2**20
# The bytes in the middle of a picture of which there is another checksum.
CHECKED_TWICE = 2**14

Before = TypeVar("Before")
After = TypeVar("After")


class Reading(NamedTuple):
    """A page as it was normalised, or the reason why it was not, and the picture itself where it is to be shown.

    ``file``: its file's number, from 0; ``page``: from 1; ``thumbnail``: (h, w) uint8, of at most so many pixels on a side;
    ``pixels``: the same for pictures that are the same to the pixel; ``shades``: those of a picture that is compared with
    others, before it was normalised.
    """

    file: int
    page: int
    glyph: Glyph | str
    thumbnail: Gray | None
    pixels: int
    shades: Shades | None

    @property
    def field(self) -> Gray | None:
        """What the network saw: (28, 28) uint8; None where there was nothing to see."""
        return None if isinstance(self.glyph, str) else self.glyph.field


class Page(NamedTuple):
    """A picture, perhaps half of one, or the reason why there is none; its page, from 1, and its file's number, from 0."""

    file: int
    page: int
    picture: Gray | str
    is_perhaps_half: bool = False


def picture_of(reading: Reading) -> tuple[int, bytes, bytes]:
    """Give the page, the field, and the thumbnail as ``thumbnails`` writes it; empty where there is none."""
    field = b"" if reading.field is None else reading.field.tobytes()
    return reading.page, field, b"" if reading.thumbnail is None else thumbnails.encoded(reading.thumbnail, field)


def read(
    folder: bytes, shard: Shard, rules: Rules, begin: Begin, thumbnail_side: int = 0, compared_share: float = 1.0
) -> Iterator[Reading]:
    """Decode and normalise every page of files. No thumbnail is larger than ``thumbnail_side`` pixels; 0 for none.

    The pages of a share of the files have shades. Raises StorageError where the folder is away.
    """
    with files.opened(folder, shard, rules.maximum_bytes) as read_some:
        for start in range(0, len(shard.paths), TOGETHER):
            begin(start, 0, b"")
            contents = read_some(range(start, min(start + TOGETHER, len(shard.paths))))
            for group in _in_groups(_pages(contents, start, shard, rules, begin)):
                numbers, pages, pictures, _ = zip(*group, strict=True)
                shrunk = [thumbnails.shrunk(one, thumbnail_side) for one in pictures]
                shades = [
                    traits.shades(picture) if is_compared(shard.paths[number], compared_share) else None
                    for number, picture in zip(numbers, pictures, strict=True)
                ]
                yield from map(Reading, numbers, pages, _normalised(group), shrunk, map(_pixels, pictures), shades)


def rows(paths: Sequence[bytes], readings: Sequence[Reading], classifier: Classifier, model: str, rules: Rules) -> list[Row]:
    """Give the rows of pages that were read from files with these paths; ``model`` is the version that ``classifier`` holds."""
    found = [reading.field for reading in readings if reading.field is not None]
    fields = np.array(found, np.uint8).reshape(-1, FIELD, FIELD, 1)
    answers = read_fields(classifier, fields, rules.digits, rules.temperature)
    return [
        Row(name_in_csv(paths[one.file]), one.page, "", "", "", "", "error", one.glyph, model)
        if isinstance(one.glyph, str)
        else _row(paths[one.file], one.page, one.glyph, next(answers), model, rules)
        for one in readings
    ]


def traits_of(readings: Sequence[Reading]) -> list[bytes | None]:
    """Give the traits of pages, (7,) float16 as bytes each; None where there is no picture, or it has no shades."""
    found = {
        place: (one.shades, one.glyph) for place, one in enumerate(readings) if one.shades and not isinstance(one.glyph, str)
    }
    described = traits.of([before for before, _ in found.values()], [glyph for _, glyph in found.values()])
    given: list[bytes | None] = [None] * len(readings)
    for place, one in zip(found, described, strict=True):
        given[place] = one.tobytes()
    return given


def can_hang(start: bytes) -> bool:
    """Tell by the first bytes of a file whether it is of a kind that may keep its decoder busy for ever."""
    return start.startswith(tiff.STARTS) or heif.is_heif(start) or pdf.is_pdf(start[: decoding.HEAD])


def _pages(contents: Iterable[Content], first: int, shard: Shard, limits: Limits, begin: Begin) -> Iterator[Page]:
    """Decode files, of which the first has that number, and close them."""
    for number, content in enumerate(contents, first):
        if isinstance(content, DecodeError):
            yield Page(number, 1, str(content))
            continue
        try:
            start = content if isinstance(content, bytes) else content.peek(decoding.HEAD)  # type: ignore[attr-defined]
            pages: Iterator[Decoded] | None = None
            for page in count(1):
                if page == shard.bad_page:
                    yield Page(number, page, shard.reason)
                    break
                begin(number, page, start)
                pages = pages or iter(decoding.pages(content, limits))
                if (found := next(pages, None)) is None:
                    break
                if isinstance(found, PerhapsHalf):
                    yield Page(number, page, found.picture, is_perhaps_half=True)
                else:
                    yield Page(number, page, str(found) if isinstance(found, DecodeError) else found)
        finally:
            if not isinstance(content, bytes):
                content.close()


def _pixels(picture: Gray | str) -> int:
    """Give a number of 63 bits, which no two pictures of a batch share by chance: the upper 32 are a CRC."""
    if isinstance(picture, str):
        return 0
    content = middle = np.ascontiguousarray(picture).data
    if content.nbytes > CHECKED_TWICE:
        start = (content.nbytes - CHECKED_TWICE) // 2
        middle = content.cast("B")[start : start + CHECKED_TWICE]
    return zlib.crc32(content, picture.shape[0]) << 31 | zlib.adler32(middle) >> 1


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
    except MemoryError:
        return "needs more memory than there is"
    except Exception as error:  # noqa: BLE001 - whatever picture the normaliser was not made for, the others are scored
        return f"cannot be normalised: {' '.join(str(error).split())[:120] or type(error).__name__}"


def _row(path: bytes, page: int, glyph: Glyph, answer: Answer, model: str, rules: Rules) -> Row:
    confidence = answer.probabilities[answer.first]
    reason = trust.doubt(glyph, answer.first, confidence, rules.minimum_confidence)
    status = "review" if reason else "ok"
    if reason == trust.BLANK:
        return Row(name_in_csv(path), page, "", "", "", "", status, reason, model)
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
        probabilities=tuple(answer.rounded),
    )
