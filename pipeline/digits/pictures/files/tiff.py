"""The list of pages in a TIFF file (Adobe, TIFF 6.0, and BigTIFF), read before any pixel is."""

import struct
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

CLASSIC, BIG = 42, 43
ORDERS = {b"II": "<", b"MM": ">"}
STARTS = tuple(name + struct.pack(f"{order}H", kind) for name, order in ORDERS.items() for kind in (CLASSIC, BIG))
SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, SAMPLES, EXTRA_SAMPLES = 254, 255, 256, 257, 277, 338
TAGS = (SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, SAMPLES, EXTRA_SAMPLES)
# In SUBFILE these bits say that it is a smaller version of another page, or a mask; in OLD_SUBFILE this value says the former.
NO_PAGE, OLD_NO_PAGE = 1 | 4, 2
# Numbers of 16, 32 and 64 bits.
FORMS = {3: "H", 4: "L", 16: "Q"}
# A page has no more entries than a classic file can count; the second bound is for pages, masks and smaller versions together.
MOST_ENTRIES, MOST_LISTED = 2**16, 2**16


@dataclass(frozen=True)
class Layout:
    """Where the place of the first page stands, and the forms of a count of entries, of an entry, and of a place."""

    start: int
    count: struct.Struct
    entry: struct.Struct
    place: struct.Struct


class Page(NamedTuple):
    """A page: its number in the file's list, from 0, its size in pixels, and whether it is grey with a sample unexplained."""

    number: int
    width: int = 0
    height: int = 0
    has_unexplained: bool = False


class Pages(NamedTuple):
    """The pages of a file, and what is wrong with its list after them."""

    pages: list[Page]
    fault: str


def is_tiff(start: bytes) -> bool:
    """Tell a TIFF file by its first four bytes."""
    return start in STARTS


def list_pages(file: BinaryIO, most: int) -> Pages:
    """Read the list, up to one page more than ``most``. Smaller versions of a page, and masks, do not count beside a page."""
    file.seek(0)
    head = file.read(4)
    order = ORDERS[head[:2]]
    layout = _layout(order, is_big=struct.unpack(f"{order}H", head[2:]) == (BIG,))
    pages: list[Page] = []
    seen: dict[int, Page] = {}
    fault = ""
    try:
        (place,) = _read(file, layout.start, layout.place)
        while place and len(pages) <= most:
            if place in seen:
                fault = "its list of pages leads back to an earlier page"
                break
            if len(seen) == MOST_LISTED:
                fault = f"its list of pages is longer than {MOST_LISTED}"
                break
            values, following = _directory(file, place, layout, order)
            has_unexplained = values[SAMPLES] == 2 and values[EXTRA_SAMPLES] == 0
            seen[place] = Page(len(seen), values[WIDTH], values[HEIGHT], has_unexplained)
            if not values[SUBFILE] & NO_PAGE and values[OLD_SUBFILE] != OLD_NO_PAGE:
                pages.append(seen[place])
            place = following
    except (struct.error, OverflowError):
        fault = "it ends inside its list of pages"
    return Pages(pages or list(seen.values())[:1], fault)


def _layout(order: str, *, is_big: bool) -> Layout:
    count, entry, place = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHL4s", "L")
    return Layout(8 if is_big else 4, *(struct.Struct(order + one) for one in (count, entry, place)))


def _directory(file: BinaryIO, place: int, layout: Layout, order: str) -> tuple[dict[int, int], int]:
    """Read what the page at a place has under each of TAGS, -1 where it has nothing, and the place of the next page."""
    (count,) = _read(file, place, layout.count)
    if count > MOST_ENTRIES:
        raise struct.error
    values = dict.fromkeys(TAGS, -1) | {SUBFILE: 0}
    for tag, form, _, value in layout.entry.iter_unpack(file.read(count * layout.entry.size)):
        if not tag and not form:  # zeros, where a broken transfer left something out
            raise struct.error
        if tag in values and form in FORMS:
            # A number shorter than its field stands at the beginning of it.
            values[tag], *_ = struct.unpack_from(order + FORMS[form], value)
    (following,) = layout.place.unpack(file.read(layout.place.size))
    return values, following


def _read(file: BinaryIO, place: int, form: struct.Struct) -> tuple[int, ...]:
    file.seek(place)
    return form.unpack(file.read(form.size))
