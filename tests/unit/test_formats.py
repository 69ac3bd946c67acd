"""What kinds of file are read, as the table in docs/formats.md says: each written by another library where there is one."""

import io
import re
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.digits.pictures import normalising
from pipeline.digits.pictures.files import decoding, grey, heif, pdf, plain
from pipeline.digits.pictures.files.limits import Decoded, Limits
from pipeline.params import load
from tests.written import CASES, FILES, ROUGH, WRITERS, Gray, by_pillow, coloured, filled_in, tiff

ROOT = Path(__file__).parents[2]
LIMITS = Limits(10**9, 10**6, maximum_pages=50, pdf_resolution=72)


def table() -> dict[str, list[str]]:
    """Read the table of docs/formats.md, by its first column."""
    lines = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows[1:] if len(row) == 5}


def read(content: bytes, limits: Limits = LIMITS) -> list[Decoded]:
    return list(decoding.pages(content, limits))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_file_of_every_kind_shows_its_digit(kind: str, name: str, scan: Gray) -> None:
    content = WRITERS[kind][name](scan)

    pages = read(content)

    assert [page.shape for page in pages if isinstance(page, np.ndarray)] == [scan.shape]
    (page,) = pages
    assert isinstance(page, np.ndarray)
    owner: object = page
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert owner is None  # of its pixels is the page itself, not a decoder that is gone
    assert page[0, 0] > 200  # paper is light, ink is dark
    mean_difference = np.abs(normalising.normalise(page).field.astype(int) - normalising.normalise(scan).field).mean()
    assert mean_difference < (9 if name in ROUGH else 4)


def test_the_table_names_every_kind_and_its_suffixes() -> None:
    suffixes = {suffix for row in table().values() for suffix in re.findall(r"\.\w+", row[0])}

    assert list(table()) == list(WRITERS)
    assert suffixes == set(load(ROOT / "params.yaml").score.image_suffixes)


@pytest.mark.parametrize("kind", ["HEIC, HEIF", "PDF"])
def test_without_the_extra_a_file_says_which_one_it_needs(kind: str, scan: Gray, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("pi_heif", "pypdfium2"):
        monkeypatch.setitem(sys.modules, package, None)
    content = next(iter(WRITERS[kind].values()))(scan)

    (page,) = read(content)

    assert str(page) == f"a {'PDF' if kind == 'PDF' else 'HEIC file'}, which needs the extra formats: pip install '.[formats]'"
    assert table()[kind][-1] == "`formats`"


@pytest.mark.parametrize(("kind", "feature"), [("AVIF", "avif"), ("JPEG 2000", "jpg_2000")])
def test_what_pillow_was_built_without_is_named(kind: str, feature: str, scan: Gray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda asked: asked != feature)

    for write in WRITERS[kind].values():
        assert str(read(write(scan))[0]).startswith(f"{kind}, which the Pillow that is installed cannot read: ")


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


def read_slowly(file: io.BytesIO) -> list[Decoded]:
    file.seek(0)
    return list(decoding.pages(file, LIMITS))


def test_every_page_of_a_tiff_is_one(scan: Gray) -> None:
    pages = [scan, 255 - scan, scan[:60]]
    _, content = cv2.imencodemulti(".tif", pages)

    read_pages = read(content.tobytes())

    assert [np.asarray(page).tolist() for page in read_pages] == [page.tolist() for page in pages]


@pytest.mark.parametrize("tag", [{254: 1}, {255: 2}])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_smaller_version_of_a_page_is_none(scan: Gray, tag: dict[int, int], *, is_first: bool) -> None:
    file, small, large = io.BytesIO(), Image.fromarray(scan).resize((9, 12)), Image.fromarray(scan)
    small.encoderinfo, large.encoderinfo = {"tiffinfo": tag}, {"tiffinfo": {}}
    first, *more = (small, large, large) if is_first else (large, small, large)
    first.save(file, "TIFF", save_all=True, append_images=more, **first.encoderinfo)

    assert [getattr(page, "shape", page) for page in read(file.getvalue())] == [scan.shape] * 2


def test_a_file_of_nothing_but_a_smaller_version_shows_it(scan: Gray) -> None:
    (page,) = read(by_pillow("TIFF", tiffinfo={254: 1})(scan))

    assert np.array_equal(np.asarray(page), scan)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("samples", "photometric"), [(1, 1), (1, 0), (3, 2)])
@pytest.mark.parametrize("beside", [0, 255])
def test_a_sample_that_nothing_explains_is_ignored(scan: Gray, bits: int, samples: int, photometric: int, beside: int) -> None:
    shades = scan if photometric else np.bitwise_not(scan)
    halves = np.where(np.arange(len(scan))[:, np.newaxis] < 60, beside, 128) * np.ones_like(scan)
    pixels = np.dstack([shades] * samples + [halves]).astype(f"<u{bits // 8}") * (257 if bits == 16 else 1)

    (page,) = read(tiff(pixels.tobytes(), scan.shape, bits, photometric, more={277: samples + 1, 338: 0}))

    assert isinstance(page, np.ndarray)
    assert np.abs(normalising.normalise(page).field.astype(int) - normalising.normalise(scan).field).mean() < 4


def stretched(scan: Gray, across: int, down: int) -> Image.Image:
    """Sample a scan of square pixels as a machine does that has so many across and down in an inch."""
    height, width = scan.shape
    finest = max(across, down)
    return Image.fromarray(scan).resize((width * across // finest, height * down // finest), Image.Resampling.BOX)


def as_aspect(kind: str, content: bytes) -> bytes:
    """Take away from a PNG or JPEG of what its resolution is the unit."""
    if kind == "JPEG":
        place = content.index(b"JFIF") + 7
        return content[:place] + b"\0" + content[place + 1 :]
    start = content.index(b"pHYs")
    said = content[start : start + 12] + b"\0"
    return content[:start] + said + struct.pack(">L", zlib.crc32(said)) + content[start + 17 :]


@pytest.mark.parametrize(("across", "down"), [(204, 98), (600, 300), (300, 600), (150, 600)])
@pytest.mark.parametrize("kind", ["BMP", "JPEG", "PNG", "TIFF"])
def test_pixels_that_are_not_square_become_square(kind: str, across: int, down: int, scan: Gray) -> None:
    file = io.BytesIO()
    stretched(scan, across, down).save(file, kind, dpi=(across, down))
    contents = [file.getvalue(), *([as_aspect(kind, file.getvalue())] if kind in ("JPEG", "PNG") else [])]

    for page in (page for content in contents for page in (*read(content), *read_slowly(io.BytesIO(content)))):
        assert isinstance(page, np.ndarray)
        assert np.abs(np.subtract(page.shape, scan.shape)).max() <= 2
        assert np.abs(normalising.normalise(page).field.astype(int) - normalising.normalise(scan).field).mean() < 9


@pytest.mark.parametrize("kind", ["AVIF", "JPEG", "PNG", "WEBP"])
def test_pixels_that_the_exif_says_are_not_square_become_square_before_they_are_turned(kind: str, scan: Gray) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif.update({282: 600, 283: 300, 296: 2, 274: 6})
    stretched(np.rot90(scan), 600, 300).save(file, kind, exif=exif)

    (page,) = read(file.getvalue())

    assert isinstance(page, np.ndarray)
    assert page.shape == scan.shape


@pytest.mark.parametrize("dpi", [(300, 300), (300, 299), (1, 300), (0, 300), (72_000, 72)])
def test_a_resolution_that_no_device_has_changes_nothing(dpi: tuple[int, int], scan: Gray) -> None:
    (page,) = read(by_pillow("TIFF", dpi=dpi)(scan))

    assert np.array_equal(np.asarray(page), scan)


def test_very_many_pixels_that_are_not_square_become_fewer() -> None:
    picture = np.zeros((2**11, 2**13), np.uint8)

    assert grey.squared(picture, 600, 300).shape == (2**11, 2**12)
    assert grey.squared(picture[:, :4096], 600, 300).shape == (2**12, 2**12)


@pytest.mark.parametrize("kind", ["AVIF", "BMP", "JPEG 2000", "WebP"])
def test_a_very_large_picture_is_shrunk_while_it_is_read(kind: str, scan: Gray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.digits.pictures.files.limits.WORKING_PIXELS", scan.size * 4 - 1)
    large = cv2.resize(scan, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)

    for write in WRITERS[kind].values():
        (page,) = read(write(large))

        assert isinstance(page, np.ndarray)
        assert page.shape == scan.shape
        assert np.abs(normalising.normalise(page).field.astype(int) - normalising.normalise(scan).field).mean() < 9


def test_what_a_field_of_a_form_says_is_drawn(scan: Gray) -> None:
    (page,) = read(filled_in(scan, is_drawn=False))

    assert isinstance(page, np.ndarray)
    assert not normalising.normalise(page).is_blank


@pytest.mark.parametrize("behind", [b"\n" * 3000, bytes(3000), b"<html>" + b"x" * 3000, bytes(100_000)])
def test_what_stands_behind_the_end_of_a_pdf_is_no_error(behind: bytes, scan: Gray) -> None:
    content = WRITERS["PDF"]["a drawing"](scan)

    assert np.array_equal(np.asarray(read(content + behind)[0]), np.asarray(read(content)[0]))


def test_every_page_of_a_pdf_is_one_at_the_resolution_that_is_set(scan: Gray) -> None:
    more = [Image.fromarray(255 - scan), Image.fromarray(scan[:60])]
    content = by_pillow("PDF", save_all=True, append_images=more, resolution=72)(scan)

    pages = read(content, Limits(10**9, 10**6, 50, pdf_resolution=144))

    assert [getattr(page, "shape", page) for page in pages] == [(240, 180), (240, 180), (120, 180)]


@pytest.mark.parametrize(
    ("orientation", "turn"), [(3, cv2.ROTATE_180), (6, cv2.ROTATE_90_COUNTERCLOCKWISE), (8, cv2.ROTATE_90_CLOCKWISE)]
)
def test_a_tiff_is_turned_as_its_own_tag_says(scan: Gray, orientation: int, turn: int) -> None:
    content = by_pillow("TIFF", tiffinfo={274: orientation})(cv2.rotate(scan, turn))

    (page,) = read(content)

    assert np.asarray(page).tolist() == scan.tolist()


def test_what_a_file_is_says_its_beginning(scan: Gray) -> None:
    assert heif.is_heif((FILES / "grey.heic").read_bytes())
    assert not heif.is_heif(b"\0\0\0\x18ftypisom")
    assert not heif.is_heif(WRITERS["AVIF"]["grey"](scan).replace(b"ftypavif", b"ftypmif1"))
    assert pdf.is_pdf(b"\x1b%-12345X@PJL\n%PDF-1.7")
    assert not pdf.is_pdf(b"PDF")
