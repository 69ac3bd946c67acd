"""Files that are broken, cut short, not what they say, or too much: a reason, and never half a picture."""

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from pipeline.digits.pictures import normalising
from pipeline.digits.pictures.files import decoding
from pipeline.digits.pictures.files.limits import Decoded, DecodeError, Limits, PerhapsHalf
from tests.processes import peak_of
from tests.written import CASES, CHANGES, WRITERS, Gray, by_pillow, mutate, tiff

LIMITS = Limits(10**9, 10**6, maximum_pages=3, pdf_resolution=72)
SMALL = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4) * 16, np.ones((5, 5), np.uint8))


CUT_SHORT = "broken image: cut short, its end is missing"


def png_head(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">LL", width, height) + b"\x08\0\0\0\0"
    return head + struct.pack(">L", zlib.crc32(head))


def read(content: bytes, limits: Limits = LIMITS) -> list[Decoded]:
    return list(decoding.pages(content, limits))


def reasons(content: bytes, limits: Limits = LIMITS) -> list[str]:
    """Give the reasons, and for a picture nothing."""
    return [str(page) if isinstance(page, DecodeError) else "" for page in read(content, limits)]


def test_an_empty_file_is_one() -> None:
    assert reasons(b"") == ["empty file"]


@pytest.mark.parametrize("content", [b"file,page,label\n", "größer\n".encode(), b"\0" * 99, b"PK\3\4", b"<svg/>"])
def test_a_text_or_another_kind_of_file_is_no_image(content: bytes) -> None:
    assert reasons(content) == ["not an image that can be read"]


@pytest.mark.parametrize("way", ["in memory", "from the file"])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_file_that_is_cut_short_is_an_error(kind: str, name: str, way: str, scan: Gray) -> None:
    content = WRITERS[kind][name](scan)
    # What is missing behind the first of two pictures is not missed.
    whole = len(WRITERS[kind][name](scan)) if "two" not in name or kind == "WebP" else len(by_pillow(kind, "RGB")(scan))

    for tenth in range(10):
        cut = content[: whole * tenth // 10]
        pages = list(decoding.pages(cut if way == "in memory" else io.BytesIO(cut), LIMITS))
        assert [type(page) for page in pages] == [DecodeError], tenth


# Zeros are paper in this kind.
NOTHING_TELLS = ("PBM",)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in CASES if name not in NOTHING_TELLS])
def test_a_file_whose_rest_is_not_copied_yet_is_never_taken_for_whole(kind: str, name: str, scan: Gray) -> None:
    content = WRITERS[kind][name](scan)
    first = len(content) if "two" not in name or kind == "WebP" else len(by_pillow(kind, "RGB")(scan))

    for twentieth in range(1, 17):
        cut = first * twentieth // 20
        pages = read(content[:cut] + bytes(len(content) - cut))
        assert all(isinstance(page, DecodeError | PerhapsHalf) or normalising.normalise(page).is_blank for page in pages), (
            twentieth
        )


@pytest.mark.parametrize(("compression", "bits"), [("group3", 1), ("group4", 1), ("tiff_lzw", 8), ("tiff_adobe_deflate", 8)])
def test_a_tiff_whose_pixels_come_last_and_are_not_copied_yet_is_an_error(compression: str, bits: int, scan: Gray) -> None:
    first = by_pillow("TIFF", "1" if bits == 1 else "L", compression=compression)(scan)
    tags = TiffImagePlugin.TiffImageFile(io.BytesIO(first)).tag_v2
    pixels = first[tags[273][0] :][: tags[279][0]]
    content = tiff(pixels, scan.shape, bits, tags[262], more={259: tags[259]}, is_last=True)

    assert reasons(content) == [""]
    assert reasons(content[: -len(content) // 4] + bytes(len(content) // 4)) == [CUT_SHORT]


@pytest.mark.parametrize("framed", [False, True])
def test_rows_that_are_whole_are_not_doubted(scan: Gray, *, framed: bool) -> None:
    noisy = scan - np.random.default_rng(0).integers(0, 9, scan.shape, np.uint8)
    if framed:
        noisy[:10] = noisy[-10:] = 0

    for write in (by_pillow("BMP"), by_pillow("PPM"), by_pillow("TIFF")):
        for picture in (scan, noisy, np.full_like(scan, 255), 255 - scan):
            assert isinstance(read(write(picture))[0], np.ndarray)


def test_a_multi_page_tiff_that_is_cut_short_keeps_its_whole_pages(scan: Gray) -> None:
    content = by_pillow("TIFF", save_all=True, append_images=[Image.fromarray(scan)])(scan)

    first, second, *_ = reasons(content[: len(content) * 3 // 4])

    assert first == ""
    assert second.startswith("broken image: ")


def directory(pixels_at: int, following: int) -> bytes:
    values = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: pixels_at, 277: 1, 278: 4, 279: 16}
    entries = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in values.items())
    return struct.pack("<H", len(values)) + entries + struct.pack("<L", following)


def many_pages(count: int, *, back_to: int | None = None) -> bytes:
    """Write a TIFF of small pages; after the last one comes the one with that number, where it is named."""
    size = len(directory(0, 0))
    places = [24 + number * size for number in range(count)]
    following = [*places[1:], 0 if back_to is None else places[back_to]]
    return struct.pack("<2sHL", b"II", 42, 24) + bytes(16) + b"".join(directory(8, place) for place in following)


def test_of_very_many_pages_some_are_read_and_one_row_says_so() -> None:
    limits = Limits(10**9, 100, maximum_pages=1000, pdf_resolution=200)

    found = reasons(many_pages(5000), limits)

    assert found == [""] * 1000 + ["more than 1000 pages: this one and those after it are not read"]
    assert reasons(many_pages(1000), limits) == [""] * 1000


@pytest.mark.parametrize("back_to", [0, 1])
def test_a_list_of_pages_that_leads_back_ends(back_to: int) -> None:
    assert reasons(many_pages(2, back_to=back_to)) == ["", "", "broken image: its list of pages leads back to an earlier page"]


@pytest.mark.parametrize("count", [0, 1])
def test_a_tiff_whose_first_page_is_nowhere_is_an_error(count: int) -> None:
    assert len(reasons(b"II*\0" + struct.pack("<L", 10**6 * count))) == 1
    assert reasons(b"II*\0" + struct.pack("<L", 10**6 * count))[0]


@pytest.mark.parametrize(
    "content",
    [
        b"BM" + struct.pack("<LHHLLllHHLLllLL", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        by_pillow("PNG")(np.zeros((1, 60_000), np.uint8)).replace(png_head(60_000, 1), png_head(60_000, 60_000)),
        b"P5 60000 60000 255\n",
        b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + b"\0\0\0,\0\0\0\0" + struct.pack("<HH", 60_000, 60_000) + b"\0\x08",
        tiff(b"", (60_000, 60_000), 8, 1),
    ],
)
def test_what_declares_too_many_pixels_is_refused_before_any_is_read(content: bytes) -> None:
    assert reasons(content) == ["declares too many pixels"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WebP", "PGM, PPM, PBM", "HEIC, HEIF", "PDF"])
def test_a_page_of_more_pixels_than_are_allowed_is_an_error(kind: str, scan: Gray) -> None:
    content = next(iter(WRITERS[kind].values()))(scan)

    assert reasons(content, Limits(10**9, 10_000, maximum_pages=1, pdf_resolution=72)) == ["90x120 pixels, more than 10000"]


def test_a_broken_page_does_not_hide_those_behind_it(scan: Gray) -> None:
    content = by_pillow("TIFF", save_all=True, append_images=[Image.fromarray(255 - scan), Image.fromarray(scan)])(scan)
    pixels_at = struct.pack("<L", content.index((255 - scan).tobytes()))

    found = reasons(content.replace(pixels_at, struct.pack("<L", len(content) - 9)))

    assert [bool(reason) for reason in found] == [False, True, False]


def test_a_big_tiff_that_says_a_page_has_very_many_entries_is_an_error() -> None:
    assert reasons(struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, 2**40)) == ["broken image: it ends inside its list of pages"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads from /proc, which only Linux has, how much memory a process took")
def test_a_small_file_with_a_chunk_that_declares_gigabytes_takes_none(tmp_path: Path) -> None:
    content = WRITERS["PNG"]["16 bits, RGB"](SMALL)
    place = content.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(content[:place] + struct.pack(">L", 2**31 + 2**30) + content[place + 4 :])
    code = (
        "import sys; from pathlib import Path; from pipeline.digits.pictures.files import decoding\n"
        "from pipeline.digits.pictures.files.limits import Limits\n"
        "print(*decoding.pages(Path(sys.argv[1]).read_bytes(), Limits(10**9, 10**6, 1, 200)))"
    )

    reason, peak = peak_of(code, str(tmp_path / "a.png"))

    assert reason == CUT_SHORT
    assert peak < 10**6


def encrypted(content: bytes) -> bytes:
    """Say in a PDF that it is encrypted, with a password that nobody knows."""
    secret = f"/Encrypt<</Filter/Standard/V 1/R 2/O<{'41' * 32}>/U<{'42' * 32}>/P -4>>/ID[<{'43' * 16}><{'43' * 16}>]".encode()
    return content.replace(b"/Root", secret + b"/Root", 1)


def test_an_encrypted_pdf_says_that_it_is(scan: Gray) -> None:
    assert reasons(encrypted(WRITERS["PDF"]["a drawing"](scan))) == ["an encrypted PDF: take its password off"]


def test_a_pdf_that_cannot_be_mended_is_an_error(scan: Gray) -> None:
    content = WRITERS["PDF"]["a drawing"](scan)

    assert reasons(content.replace(b"/Pages", b"/Sages")) == ["broken PDF: damaged beyond mending"]


def test_a_pdf_page_larger_than_a_house_is_an_error_and_the_others_are_read(scan: Gray) -> None:
    content = by_pillow("PDF", save_all=True, append_images=[Image.fromarray(scan)], resolution=72)(scan)
    house = content.replace(b"90.0 120.0", b"9999 99999", 1)

    assert sorted(reasons(house)) == ["", "9999x99999 pixels, more than 1000000"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_in_a_float_tiff_do_not_hide_the_digit(value: float, scan: Gray) -> None:
    values = (scan / np.float32(255)).astype("<f4")
    values[:4] = value

    (page,) = read(tiff(values.tobytes(), scan.shape, 32, 1, 3))

    assert isinstance(page, np.ndarray)
    assert np.abs(normalising.normalise(page[4:]).field.astype(int) - normalising.normalise(scan[4:]).field).mean() < 4


def test_a_float_tiff_of_nothing_but_nan_is_blank() -> None:
    (page,) = read(tiff(np.full((40, 30), np.nan, "<f4").tobytes(), (40, 30), 32, 1, 3))

    assert isinstance(page, np.ndarray)
    assert normalising.normalise(page).is_blank


@pytest.mark.parametrize("change", [lambda deep: deep, lambda deep: np.dstack([deep] * 3)], ids=["grey", "RGB"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_of_which_few_are_used_show_the_digit(suffix: str, change: Callable[[Gray], Gray], scan: Gray) -> None:
    deep = scan.astype(np.uint16) // 4 + 40_000

    (page,) = read(cv2.imencode(suffix, change(deep))[1].tobytes())

    assert isinstance(page, np.ndarray)
    assert np.abs(normalising.normalise(page).field.astype(int) - normalising.normalise(scan).field).mean() < 4


def test_a_palette_with_a_transparent_colour_is_laid_on_paper(scan: Gray) -> None:
    file = io.BytesIO()
    paletted = Image.fromarray((scan < 128).astype(np.uint8) * 255).convert("P")
    paletted.putpalette([0, 0, 0] * 256)  # strokes and ground have one colour
    paletted.save(file, "PNG", transparency=0)

    (page,) = read(file.getvalue())

    assert isinstance(page, np.ndarray)
    assert np.abs(normalising.normalise(page).field.astype(int) - normalising.normalise(scan).field).mean() < 9


WHOLE = {(kind, name): WRITERS[kind][name](SMALL) for kind, name in CASES}


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=25)
@given(data=st.data())
def test_any_damage_leaves_pages_or_reasons(case: tuple[str, str], data: st.DataObject) -> None:
    content = WHOLE[case]
    for _ in range(data.draw(st.integers(1, 3))):
        how = data.draw(st.sampled_from(CHANGES))
        content = mutate(content, data.draw(st.floats(0, 1, exclude_max=True)), how, data.draw(st.integers(0, 255)))

    pages = read(content)

    assert pages
    for page in pages:
        if isinstance(page, DecodeError):
            assert str(page)
        else:
            picture = page.picture if isinstance(page, PerhapsHalf) else page
            assert picture.ndim == 2
            assert picture.dtype == np.uint8
            assert 0 < picture.size <= LIMITS.maximum_pixels


@given(st.binary(max_size=200))
def test_any_bytes_leave_a_reason(content: bytes) -> None:
    assert read(content)


@pytest.mark.parametrize("case", CASES)
def test_such_damage_reaches_the_decoder(case: tuple[str, str]) -> None:
    outcomes = set()
    for place in np.linspace(0, 1, 20, endpoint=False):
        for how in ("byte", "cut", "loss"):
            outcomes |= {reason.split(":")[0] for reason in reasons(mutate(WHOLE[case], place, how, 255))}

    assert {"broken image", "broken PDF"} & outcomes
    assert "" in outcomes or case[1] == "PGM in letters"
