"""From an image file or a document to the grey pictures on its pages, upright, dark and light as a person sees them."""

import io
from collections.abc import Iterable, Iterator
from functools import partial
from typing import BinaryIO

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.files import heif, pdf, plain, raster, whole
from pipeline.digits.pictures.files.limits import Decoded, DecodeError, Limits, PerhapsHalf, attempt, refusal

HEAD = 1024
# For a caller that names none, in dots per inch.
RESOLUTION = 200


def decode(content: bytes, *, maximum_pixels: int) -> Gray:
    """Decode the first page of a file: (h, w) uint8. Raises DecodeError."""
    page = next(iter(pages(content, Limits(len(content), maximum_pixels, maximum_pages=1, pdf_resolution=RESOLUTION))))
    if isinstance(page, DecodeError):
        raise page
    return page.picture if isinstance(page, PerhapsHalf) else page


def pages(source: bytes | BinaryIO, limits: Limits) -> Iterable[Decoded]:
    """Decode every page of a file, (h, w) uint8 each, or say why that one cannot be read; at least one of both.

    ``source``: the bytes of the file, or the file, open to be read. Its first bytes tell its kind. EXIF turns the picture,
    transparent areas become paper, pixels become square, and deep pictures get the range 0 to 255. An animation gives its first
    frame. Very large pictures are shrunk. The pages past the most are one error.
    """
    if isinstance(source, bytes):
        picture = attempt(partial(plain.decode, source, limits))
        if picture is not None:
            return (picture,)
        source = io.BytesIO(source)
    return _pages(source, limits)


def _pages(file: BinaryIO, limits: Limits) -> Iterator[Decoded]:
    start = file.read(HEAD)
    file.seek(0)
    reader = heif.pages if heif.is_heif(start) else pdf.pages if pdf.is_pdf(start) else raster.pages
    try:
        if not start:
            raise DecodeError("empty file")
        if not whole.is_whole(file):
            raise DecodeError("broken image: cut short, its end is missing")
        file.seek(0)
        number = 0
        for number, page in enumerate(reader(file, limits), 1):
            if number > limits.maximum_pages:
                raise DecodeError(f"more than {limits.maximum_pages} pages: this one and those after it are not read")
            yield page
        if not number:
            raise DecodeError("a document without a page")
    except Exception as error:  # noqa: BLE001 - as with a page: the reason is what there is to say of the file
        yield refusal(error)
