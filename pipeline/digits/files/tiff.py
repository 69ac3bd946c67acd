"""The list of pages in a TIFF file (Adobe, TIFF 6.0, and BigTIFF), read before any pixel is."""

import struct
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

CLASSIC, BIG = 42, 43
ORDERS = {b"II": "<", b"MM": ">"}
STARTS = tuple(name + struct.pack(f"{order}H", kind) for name, order in ORDERS.items() for kind in (CLASSIC, BIG))
SUBFILE_TYPE = 254
# Bits of it: a smaller version of another page, and a mask.
NO_PAGE = 1 | 4
LONG = 4
# Of a page, as many as a classic file can say; and pages, masks and smaller versions together.
MOST_ENTRIES, MOST_LISTED = 2**16, 2**16


@dataclass(frozen=True)
class Layout:
    """How numbers are written: of the first page's place, how many entries a page has, an entry, the next page's place."""

    start: int
    count: struct.Struct
    entry: struct.Struct
    place: struct.Struct


class Pages(NamedTuple):
    """The numbers of a file's pages in its list, from 0, and what is wrong with the list after them."""

    numbers: list[int]
    fault: str


def is_tiff(start: bytes) -> bool:
    """Tell a TIFF file by its first four bytes."""
    return start in STARTS


def list_pages(file: BinaryIO, most: int) -> Pages:
    """Read the list, up to one page more than ``most``; smaller versions of a page, and masks, are none."""
    file.seek(0)
    head = file.read(4)
    order = ORDERS[head[:2]]
    layout = _layout(order, is_big=struct.unpack(f"{order}H", head[2:]) == (BIG,))
    numbers: list[int] = []
    seen: set[int] = set()
    try:
        (place,) = _read(file, layout.start, layout.place)
        while place and len(numbers) <= most:
            if place in seen:
                return Pages(numbers, "its list of pages leads back to an earlier page")
            if len(seen) == MOST_LISTED:
                return Pages(numbers, f"its list of pages is longer than {MOST_LISTED}")
            kind, following = _directory(file, place, layout)
            if not kind & NO_PAGE or not numbers:
                numbers.append(len(seen))
            seen.add(place)
            place = following
    except (struct.error, OverflowError):
        return Pages(numbers, "it ends inside its list of pages")
    return Pages(numbers, "")


def _layout(order: str, *, is_big: bool) -> Layout:
    count, entry, place = ("Q", "HHQQ", "Q") if is_big else ("H", "HHLL", "L")
    return Layout(8 if is_big else 4, *(struct.Struct(order + one) for one in (count, entry, place)))


def _directory(file: BinaryIO, place: int, layout: Layout) -> tuple[int, int]:
    """Read which kind of page stands at a place, and where the next one does."""
    (count,) = _read(file, place, layout.count)
    if count > MOST_ENTRIES:
        raise struct.error
    entries = file.read(count * layout.entry.size)
    # A number shorter than its field stands at the beginning of it, so that only a long one is read whole.
    kinds = (value for tag, form, _, value in layout.entry.iter_unpack(entries) if tag == SUBFILE_TYPE and form == LONG)
    (following,) = layout.place.unpack(file.read(layout.place.size))
    return next(kinds, 0), following


def _read(file: BinaryIO, place: int, form: struct.Struct) -> tuple[int, ...]:
    file.seek(place)
    return form.unpack(file.read(form.size))
