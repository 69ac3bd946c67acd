"""Coverage-guided fuzzing of decoder and normaliser: ``python -m bench.fuzzing FOLDER [SECONDS]``.

Needs atheris (``pip install atheris``), which has no release for macOS. FOLDER keeps the files that reached something new; it
begins with a valid file of every kind. Prints what libFuzzer prints.
"""

import sys
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["pipeline"]):
    from pipeline.digits.pictures import normalising
    from pipeline.digits.pictures.files import decoding
    from pipeline.digits.pictures.files.limits import DecodeError, Limits, PerhapsHalf

LIMITS = Limits(10**9, 2**18, maximum_pages=4, pdf_resolution=72)
SECONDS = 600
SECONDS_AN_INPUT = 20
LONGEST = 2**15
SIDE = 20


def read(content: bytes) -> None:
    """Decode and normalise every page; what is raised, and a file without a page, are findings."""
    pages = list(decoding.pages(content, LIMITS))
    assert pages  # noqa: S101 - a finding
    for page in pages:
        if isinstance(page, DecodeError):
            assert str(page)  # noqa: S101 - a finding
        else:
            picture = page.picture if isinstance(page, PerhapsHalf) else page
            assert picture.dtype == np.uint8  # noqa: S101 - a finding
            normalising.normalise(picture)


def main() -> None:
    """Write the first files, and fuzz."""
    from tests.written import CASES, WRITERS

    folder, seconds = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else SECONDS
    folder.mkdir(parents=True, exist_ok=True)
    picture = np.kron(np.eye(4, dtype=np.uint8) * 250, np.ones((SIDE // 4, SIDE // 4), np.uint8))
    for number, (kind, name) in enumerate(CASES):
        (folder / f"{number:02d}").write_bytes(WRITERS[kind][name](picture))
    limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS_AN_INPUT}", f"-max_len={LONGEST}", "-rss_limit_mb=4096"]
    atheris.Setup([sys.argv[0], str(folder), "-print_final_stats=1", *limits], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
