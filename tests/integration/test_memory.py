"""How much memory is taken: by a large picture in a process of its own, and by the listing of a large folder."""

import sys
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from pipeline.scoring import listing as listings
from tests.processes import peak_of


@pytest.mark.skipif(sys.platform != "linux", reason="reads from /proc, which only Linux has, how much memory a process took")
@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("TIFF", ".tif")])
def test_a_picture_of_50_megapixels_takes_less_than_400_megabytes(kind: str, suffix: str, tmp_path: Path) -> None:
    page = Image.new("RGB", (8000, 6250), (240, 240, 230))
    page.paste((20, 20, 60), (3900, 1500, 4100, 4500))
    options = {"compress_level": 1} if kind == "PNG" else {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    page.save(tmp_path / f"a{suffix}", kind, **options)
    code = (
        "import sys; from pathlib import Path\n"
        "import pipeline.scoring.page; from pipeline.digits.pictures import normalising\n"
        "from pipeline.digits.pictures.files import decoding\n"
        "from pipeline.digits.pictures.files.limits import Limits\n"
        "(page,) = decoding.pages(Path(sys.argv[1]).open('rb'), Limits(10**9, 10**8, 1, 200))\n"
        "print(page.shape, normalising.normalise(page).parts)"
    )

    seen, peak = peak_of(code, str(tmp_path / f"a{suffix}"))

    assert seen == "(3125, 4000) 1"
    assert peak < 400_000


def test_memory_does_not_grow_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "IN_MEMORY", 500)
    for index in range(20_000):
        (tmp_path / f"{index:0100d}.png").touch()

    tracemalloc.start()
    try:
        listing = listings.list_folder(tmp_path, [".png"], leave_out=tmp_path / "scores")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert listing.count == 20_000
    assert peak < 20_000 * 100 / 4
