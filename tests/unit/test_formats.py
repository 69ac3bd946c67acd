"""What kinds of file are read, as the table in docs/formats.md says: each written by another library where there is one."""

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.digits import images
from pipeline.digits.files import decoding, heif, pdf, plain
from pipeline.digits.files.limits import DecodeError, Limits
from pipeline.params import load

ROOT = Path(__file__).parents[2]
FILES = Path(__file__).with_name("files")
LIMITS = Limits(pixels=10**6, pages=50, resolution=72)
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


def tiff(pixels: bytes, shape: tuple[int, int], bits: int, photometric: int, form: int = 1, *, is_big: bool = False) -> bytes:
    """Write a TIFF of one strip by hand, from the end: what ends in ``BIG`` has places of 64 bits."""
    height, width = shape
    values = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: 1, 278: height, 279: len(pixels), 339: form}
    head, count, entry, place = ("<2sHHHQ", "<Q", "<HHQQ", "<Q") if is_big else ("<2sHL", "<H", "<HHLL", "<L")
    start = struct.calcsize(head)
    values[273] = start
    parts = (b"II", 43, 8, 0, start + len(pixels)) if is_big else (b"II", 42, start + len(pixels))
    entries = b"".join(struct.pack(entry, tag, 4, 1, value) for tag, value in sorted(values.items()))
    return struct.pack(head, *parts) + pixels + struct.pack(count, len(values)) + entries + struct.pack(place, 0)


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
    drawn = " ".join(f"{x} {height - 1 - y} 1 1 re" for y, x in np.argwhere(picture < 128)) + " f"
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents 4 0 R>>"
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", page]
    objects.append(f"<</Length {len(drawn)}>>stream\n{drawn}\nendstream")
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
    "BMP": {"grey": by_opencv(".bmp"), "RGB": by_opencv(".bmp", change=coloured)},
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
    "HEIC, HEIF": {"upright": heic("digit.heic"), "turned": heic("turned.heic")},
    "PDF": {"a scan": by_pillow("PDF", "RGB", resolution=72), "a drawing": vectors},
}
ROUGH = ("1 bit", "G3", "G4", "PBM", "one frame", "a drawing", "turned", "upright")
CASES = [(kind, name) for kind, writers in WRITERS.items() for name in writers]


def table() -> dict[str, list[str]]:
    """Read the table of docs/formats.md, by its first column."""
    lines = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows[1:] if len(row) == 5}


def read(content: bytes, limits: Limits = LIMITS) -> list[Gray | DecodeError]:
    return list(decoding.pages(content, limits))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_file_of_every_kind_shows_its_digit(kind: str, name: str, scan: Gray) -> None:
    content = WRITERS[kind][name](scan)

    pages = read(content)

    assert [page.shape for page in pages if isinstance(page, np.ndarray)] == [scan.shape]
    (page,) = pages
    assert isinstance(page, np.ndarray)
    assert page[0, 0] > 200  # paper is light, ink is dark
    mean_difference = np.abs(images.normalise(page).field.astype(int) - images.normalise(scan).field).mean()
    assert mean_difference < (9 if name in ROUGH else 4)


def test_the_table_names_every_kind_and_its_suffixes() -> None:
    suffixes = {suffix for row in table().values() for suffix in re.findall(r"\.\w+", row[0])}

    assert list(table()) == list(WRITERS)
    assert suffixes == set(load(ROOT / "params.yaml").score.image_suffixes)


@pytest.mark.parametrize("kind", ["HEIC, HEIF", "PDF"])
def test_without_the_extra_a_file_says_which_one_it_needs(kind: str, scan: Gray, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("pi_heif", "pypdfium2"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    content = next(iter(WRITERS[kind].values()))(scan)

    (page,) = read(content)

    assert str(page) == f"a {'PDF' if kind == 'PDF' else 'HEIC file'}, which needs the extra formats: pip install '.[formats]'"
    assert table()[kind][-1] == "`formats`"


@pytest.mark.parametrize("name", ["grey", "RGB"])
@pytest.mark.parametrize(("suffix", "options"), [(".png", {}), (".jpg", {}), (".jpg", {"progressive": True, "subsampling": 0})])
def test_the_fast_way_gives_what_pillow_gives(suffix: str, options: dict[str, int], name: str, scan: Gray) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (*scan.shape, 3), np.uint8)
    picture = Image.fromarray(coloured(scan) - noise if name == "RGB" else scan - noise[..., 0])
    file = io.BytesIO()
    picture.save(file, {".png": "PNG", ".jpg": "JPEG"}[suffix], **options)

    quick = plain.decode(file.getvalue(), LIMITS)

    (slow,) = read_slowly(file)
    assert quick is not None
    assert isinstance(slow, np.ndarray)
    assert np.array_equal(quick, slow)


def read_slowly(file: io.BytesIO) -> list[Gray | DecodeError]:
    file.seek(0)
    return list(decoding.pages(file, LIMITS))


def test_every_page_of_a_tiff_is_one(scan: Gray) -> None:
    pages = [scan, 255 - scan, scan[:60]]
    _, content = cv2.imencodemulti(".tif", pages)

    read_pages = read(content.tobytes())

    assert [np.asarray(page).tolist() for page in read_pages] == [page.tolist() for page in pages]


def test_a_smaller_version_of_a_page_is_none(scan: Gray) -> None:
    file = io.BytesIO()
    small = Image.fromarray(scan).resize((9, 12))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    Image.fromarray(scan).save(file, "TIFF", save_all=True, append_images=[small, Image.fromarray(scan)])

    assert [getattr(page, "shape", page) for page in read(file.getvalue())] == [scan.shape] * 2


def test_every_page_of_a_pdf_is_one_at_the_resolution_that_is_set(scan: Gray) -> None:
    more = [Image.fromarray(255 - scan), Image.fromarray(scan[:60])]
    content = by_pillow("PDF", save_all=True, append_images=more, resolution=72)(scan)

    pages = read(content, Limits(10**6, 50, resolution=144))

    assert [getattr(page, "shape", page) for page in pages] == [(240, 180), (240, 180), (120, 180)]


@pytest.mark.parametrize(
    ("orientation", "turn"), [(3, cv2.ROTATE_180), (6, cv2.ROTATE_90_COUNTERCLOCKWISE), (8, cv2.ROTATE_90_CLOCKWISE)]
)
def test_a_tiff_is_turned_as_its_own_tag_says(scan: Gray, orientation: int, turn: int) -> None:
    content = by_pillow("TIFF", tiffinfo={274: orientation})(cv2.rotate(scan, turn))

    (page,) = read(content)

    assert np.asarray(page).tolist() == scan.tolist()


def test_what_a_file_is_says_its_beginning() -> None:
    assert heif.is_heif((FILES / "digit.heic").read_bytes())
    assert not heif.is_heif(b"\0\0\0\x18ftypisom")
    assert pdf.is_pdf(b"\x1b%-12345X@PJL\n%PDF-1.7")
    assert not pdf.is_pdf(b"PDF")
