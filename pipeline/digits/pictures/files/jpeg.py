"""The segments of a JPEG file (ITU-T T.81), read before any pixel is: which there are, and whether the last one is the end."""

import re
from collections.abc import Iterator
from typing import NamedTuple

START = b"\xff\xd8"
SCAN, END = 0xDA, 0xD9
STRAY = -1
# In a scan, a marker with another second byte than these ends the pixels.
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


class Segment(NamedTuple):
    """Its marker's second byte, and what stands in it."""

    kind: int
    content: bytes


def segments(content: bytes) -> Iterator[Segment]:
    """Walk from marker to marker, up to the end of the picture if it has one; what is between them is ``STRAY``."""
    place, kind = len(START), 0
    while marker := MARKER.search(content, place):
        if marker.start() > place and kind != SCAN:
            yield Segment(STRAY, content[place : marker.start()])
        kind, place = content[marker.start() + 1], marker.end()
        length = 0 if kind == END else int.from_bytes(content[place : place + 2])
        yield Segment(kind, content[place + 2 : place + length])
        if kind == END:
            return
        place += length


def is_whole(content: bytes) -> bool:
    """Tell whether a picture has an end."""
    return any(segment.kind == END for segment in segments(content))
