"""PDF, drawn page by page, by PDFium."""

import os
import re
from collections.abc import Iterator
from functools import partial
from threading import Lock
from typing import Any, BinaryIO

import numpy as np

from pipeline.digits.arrays import Gray
from pipeline.digits.pictures.files import grey
from pipeline.digits.pictures.files.limits import Decoded, DecodeError, Limits, attempt, shrinking

# ISO 32000: the beginning of a file, the end, which is within the last bytes, and the word in a file that needs a password.
START, END, ENCRYPTED = b"%PDF-", b"%%EOF", b"/Encrypt"
MOST_BEHIND = 2**20
# If bytes behind the end hold an object, a change of the file was cut short. Mail and web servers add other bytes.
OBJECT = re.compile(rb"\d\s+obj\b")
POINTS_PER_INCH = 72
# PDFium allows one thread at a time.
PDFIUM_LOCK = Lock()


def is_pdf(start: bytes) -> bool:
    """Tell a PDF by its first 1,024 bytes."""
    return START in start


def pages(file: BinaryIO, limits: Limits) -> Iterator[Decoded]:
    """Draw every page on white paper. PDFium mends what it can: a file without its end is refused before."""
    try:
        import pypdfium2
    except ImportError:
        raise DecodeError("a PDF, which needs the extra formats: pip install '.[formats]'") from None
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - MOST_BEHIND))
    _, end, behind = file.read().rpartition(END)
    if not end or OBJECT.search(behind):
        raise DecodeError("broken PDF: cut short, its end is missing")
    file.seek(0)
    with PDFIUM_LOCK:
        try:
            document = pypdfium2.PdfDocument(file)
            count = len(document)
            document.init_forms()  # or what stands in the fields of a form is not drawn
        except pypdfium2.PdfiumError as error:
            raise DecodeError(_reason(file)) from error
    try:
        for number in range(count):
            with PDFIUM_LOCK:
                page = attempt(partial(_draw, document, number, limits))
            yield page
    finally:
        with PDFIUM_LOCK:
            document.close()


def _draw(document: Any, number: int, limits: Limits) -> Gray:
    width, height = (points * limits.pdf_resolution / POINTS_PER_INCH for points in document.get_page_size(number))
    limits.require(round(width), round(height))
    page = document[number]
    try:
        scale = limits.pdf_resolution / POINTS_PER_INCH / shrinking(round(width), round(height))
        bitmap = page.render(scale=scale, rev_byteorder=True)
        try:
            return grey.of_colour(np.array(bitmap.to_numpy()[..., :3]))
        finally:
            bitmap.close()
    finally:
        page.close()


def _reason(file: BinaryIO) -> str:
    """Tell why a file cannot be opened; the code of PDFium's error may be that of an earlier one."""
    file.seek(0)
    is_encrypted = any(ENCRYPTED in line for line in file)
    return "an encrypted PDF: take its password off" if is_encrypted else "broken PDF: damaged beyond mending"
