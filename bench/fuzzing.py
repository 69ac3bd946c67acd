"""Coverage-guided fuzzing of decoder and normaliser: ``python -m bench.fuzzing FOLDER [SECONDS]``.

Needs atheris (``pip install atheris``), which has no release for macOS. FOLDER keeps the files that reached something new; it
begins with a valid file of every kind. Prints what libFuzzer prints, and at the end how many pages were read and refused.
"""

import atexit
import sys
from collections import Counter
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["pipeline", "PIL"]):
    from pipeline.digits import images
    from pipeline.digits.files import decoding
    from pipeline.digits.files.limits import DecodeError, Limits

LIMITS = Limits(pixels=2**18, pages=4, resolution=72)
SECONDS = 600
SECONDS_AN_INPUT = 20
LONGEST = 2**15
SIDE = 20

outcomes: Counter[str] = Counter()


def read(content: bytes) -> None:
    """Decode and normalise every page; what is raised, and a file without a page, are findings."""
    pages = list(decoding.pages(content, LIMITS))
    assert pages  # noqa: S101 - a finding
    for page in pages:
        if isinstance(page, DecodeError):
            outcomes[str(page).split(":")[0][:60] or "no reason"] += 1
        else:
            outcomes["a page"] += 1
            assert page.dtype == np.uint8  # noqa: S101 - a finding
            images.normalise(page)


def main() -> None:
    """Write the first files, and fuzz."""
    from tests.written import CASES, WRITERS

    folder, seconds = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else SECONDS
    folder.mkdir(parents=True, exist_ok=True)
    picture = np.kron(np.eye(4, dtype=np.uint8) * 250, np.ones((SIDE // 4, SIDE // 4), np.uint8))
    for number, (kind, name) in enumerate(CASES):
        (folder / f"{number:02d}").write_bytes(WRITERS[kind][name](picture))
    atexit.register(lambda: print(*(f"{count} {words}" for words, count in outcomes.most_common(12)), sep="\n"))
    limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS_AN_INPUT}", f"-max_len={LONGEST}", "-rss_limit_mb=4096"]
    atheris.Setup([sys.argv[0], str(folder), "-print_final_stats=1", *limits], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
