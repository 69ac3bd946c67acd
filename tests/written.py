"""Files of every kind that is read, each written by another library than reads it where there is one, and ways to damage them.

``files`` holds what no library here writes: HEIC, by libheif and x265.
"""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

FILES = Path(__file__).with_name("files")
TIFF_CODES = {"none": 1, "lzw": 5, "deflate": 8, "packbits": 32773}

Gray = np.ndarray
Writer = Callable[[Gray], bytes]


def by_pillow(kind: str, mode: str = "L", *, twice: bool = False, **options: object) -> Writer:
    def write(picture: Gray) -> bytes:
        file, image = io.BytesIO(), Image.fromarray(picture).convert(mode)
        more = {"save_all": True, "append_images": [Image.new(mode, image.size)]} if twice else {}
        image.save(file, kind, **more, **options)
        return file.getvalue()

    return write


def by_opencv(suffix: str, *options: int, change: Callable[[Gray], Gray] = lambda picture: picture) -> Writer:
    return lambda picture: cv2.imencode(suffix, change(picture), options)[1].tobytes()


def coloured(picture: Gray) -> Gray:
    return np.dstack([picture] * 3)


def with_alpha(picture: Gray) -> Gray:
    return np.dstack([np.zeros((*picture.shape, 3), np.uint8), 250 - picture])


def deep(picture: Gray) -> Gray:
    return picture.astype(np.uint16) * 4 + 30_000


def tiff(
    pixels: bytes,
    shape: tuple[int, ...],
    bits: int,
    photometric: int,
    form: int = 1,
    *,
    is_big: bool = False,
    is_last: bool = False,
    more: dict[int, int] | None = None,
) -> bytes:
    """Write a TIFF of one strip by hand, its pixels first or last, with ``more`` tags; a big one has places of 64 bits."""
    height, width = shape[:2]
    values = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: 1, 278: height, 279: len(pixels), 339: form}
    values |= more or {}
    head, count, entry, place = ("<2sHHHQ", "<Q", "<HHQQ", "<Q") if is_big else ("<2sHL", "<H", "<HHLL", "<L")
    start, listed = struct.calcsize(head), sum(map(struct.calcsize, (count, *[entry] * (len(values) + 1), place)))
    values[273] = start + listed * is_last
    list_at = start + len(pixels) * (not is_last)
    parts = (b"II", 43, 8, 0, list_at) if is_big else (b"II", 42, list_at)
    entries = b"".join(struct.pack(entry, tag, 4, 1, value) for tag, value in sorted(values.items()))
    listing = struct.pack(count, len(values)) + entries + struct.pack(place, 0)
    return struct.pack(head, *parts) + (listing + pixels if is_last else pixels + listing)


def negative(picture: Gray) -> bytes:
    return tiff(np.bitwise_not(picture).tobytes(), picture.shape, 8, 0)


def deep_negative(picture: Gray) -> bytes:
    return tiff((65535 - deep(picture)).astype("<u2").tobytes(), picture.shape, 16, 0)


def big(picture: Gray) -> bytes:
    return tiff(picture.tobytes(), picture.shape, 8, 1, is_big=True)


def floats(picture: Gray) -> bytes:
    return tiff((picture / np.float32(255)).astype("<f4").tobytes(), picture.shape, 32, 1, 3)


def vectors(picture: Gray) -> bytes:
    """Draw what is dark in squares, as a drawing program does: no picture is in the file."""
    height, width = picture.shape
    drawn = squares(picture)
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents 4 0 R>>"
    return pdf("", page, f"<</Length {len(drawn)}>>stream\n{drawn}\nendstream")


def filled_in(picture: Gray, *, is_drawn: bool = True) -> bytes:
    """Write a form with a field that has a picture in it, or else a five that whoever shows it has to draw."""
    height, width = picture.shape
    drawn, box = squares(picture), f"[0 0 {width} {height}]"
    page = f"<</Type/Page/Parent 2 0 R/MediaBox{box}/Annots[4 0 R]>>"
    shows = "/AP<</N 5 0 R>>" if is_drawn else f"/V(5)/DA(/Helv {height} Tf 0 g)"
    field = f"<</Type/Annot/Subtype/Widget/FT/Tx/T(points)/F 4/Rect{box}{shows}>>"
    form = f"<</Type/XObject/Subtype/Form/BBox{box}/Length {len(drawn)}>>stream\n{drawn}\nendstream"
    return pdf("/AcroForm<</Fields[4 0 R]/DA(/Helv 0 Tf 0 g)>>", page, field, form)


def squares(picture: Gray) -> str:
    """Write what is dark in the words of a page of PDF."""
    return " ".join(f"{x} {len(picture) - 1 - y} 1 1 re" for y, x in np.argwhere(picture < 128)) + " f"


def pdf(catalogue: str, *page: str) -> bytes:
    """Write a PDF of one page, and what it names."""
    objects = [f"<</Type/Catalog/Pages 2 0 R{catalogue}>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", *page]
    text = "%PDF-1.4\n"
    places = []
    for number, one in enumerate(objects, 1):
        places.append(len(text))
        text += f"{number} 0 obj{one}endobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    return f"{text}{head}{table}trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{len(text)}\n%%EOF\n".encode()


def heic(name: str) -> Writer:
    return lambda _: (FILES / name).read_bytes()


# By the lines of the table.
WRITERS: dict[str, dict[str, Writer]] = {
    "PNG": {
        "1 bit": by_opencv(".png", cv2.IMWRITE_PNG_BILEVEL, 1, change=lambda picture: (picture > 127).astype(np.uint8)),
        "grey": by_opencv(".png"),
        "RGB": by_opencv(".png", change=coloured),
        "alpha": by_opencv(".png", change=with_alpha),
        "16 bits": by_opencv(".png", change=deep),
        "16 bits, RGB": by_opencv(".png", change=lambda picture: coloured(deep(picture))),
        "palette": by_pillow("PNG", "P"),
        "grey and alpha": by_pillow("PNG", "LA"),
    },
    "JPEG": {
        "grey": by_pillow("JPEG"),
        "RGB": by_pillow("JPEG", "RGB"),
        "progressive": by_pillow("JPEG", "RGB", progressive=True),
        "CMYK": by_pillow("JPEG", "CMYK"),
        "with a comment": by_pillow("JPEG", comment=b"a"),
        "with EXIF": by_pillow("JPEG", "RGB", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
        "by OpenCV": by_opencv(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 4, change=coloured),
    },
    "MPO": {"two pictures": by_pillow("MPO", "RGB", twice=True)},
    "TIFF": {
        **{name: by_opencv(".tif", cv2.IMWRITE_TIFF_COMPRESSION, code) for name, code in TIFF_CODES.items()},
        "RGB": by_opencv(".tif", change=coloured),
        "16 bits": by_opencv(".tif", change=deep),
        "16 bits, RGB": by_opencv(".tif", change=lambda picture: coloured(deep(picture))),
        "G4": by_pillow("TIFF", "1", compression="group4"),
        "G3": by_pillow("TIFF", "1", compression="group3"),
        "JPEG": by_pillow("TIFF", "RGB", compression="jpeg"),
        "LAB": by_pillow("TIFF", "LAB"),
        "white is zero": negative,
        "16 bits, white is zero": deep_negative,
        "floats": floats,
        "BigTIFF": big,
    },
    "BMP": {"grey": by_opencv(".bmp"), "RGB": by_opencv(".bmp", change=coloured), "32 bits": by_pillow("BMP", "RGBA")},
    "GIF": {
        "one frame": by_opencv(".gif", change=coloured),
        "two frames": by_pillow("GIF", twice=True),
    },
    "WebP": {
        "lossless": by_opencv(".webp", change=coloured),
        "lossy": by_opencv(".webp", cv2.IMWRITE_WEBP_QUALITY, 80, change=coloured),
        "alpha": by_opencv(".webp", change=with_alpha),
        "two frames": by_pillow("WEBP", "RGB", twice=True),
    },
    "PGM, PPM, PBM": {
        "PGM": by_opencv(".pgm"),
        "PGM in letters": by_opencv(".pgm", cv2.IMWRITE_PXM_BINARY, 0),
        "PGM of 16 bits": by_opencv(".pgm", change=deep),
        "PPM": by_opencv(".ppm", change=coloured),
        "PBM": by_opencv(".pbm", change=lambda picture: (picture > 127).astype(np.uint8)),
    },
    "AVIF": {
        "grey": by_opencv(".avif"),
        "RGB": by_opencv(".avif", change=coloured),
        "alpha": by_opencv(".avif", change=with_alpha),
    },
    "JPEG 2000": {
        "grey": by_pillow("JPEG2000"),
        "RGB": by_pillow("JPEG2000", "RGB"),
        "16 bits": by_pillow("JPEG2000", "I;16"),
        "lossy": by_pillow("JPEG2000", irreversible=True, quality_layers=[20]),
        "without boxes": by_pillow("JPEG2000", no_jp2=True),
    },
    "HEIC, HEIF": {"grey": heic("grey.heic"), "RGB, turned": heic("turned-rgb.heic")},
    "PDF": {"a scan": by_pillow("PDF", "RGB", resolution=72), "a drawing": vectors, "a form": filled_in},
}
ROUGH = ("1 bit", "G3", "G4", "PBM", "one frame", "a drawing", "a form", "RGB, turned")
CASES = [(kind, name) for kind, writers in WRITERS.items() for name in writers]
CHANGES = ("byte", "cut", "loss", "gain")


def mutate(content: bytes, place: float, kind: str, value: int) -> bytes:
    """Change one place of a file, from 0 to 1 of its length: a byte, a cut, a piece left out or put in: one of ``CHANGES``."""
    at = int(place * len(content))
    return {
        "byte": content[:at] + bytes([value]) + content[at + 1 :],
        "cut": content[:at],
        "loss": content[:at] + content[at + value :],
        "gain": content[:at] + bytes([value]) * value + content[at:],
    }[kind]
