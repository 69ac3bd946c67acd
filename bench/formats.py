"""Memory and time that pictures of 50 megapixels take, on Linux: ``make bench-formats``, or with more FILES to measure.

A page with noise and one digit on it is written in every kind that Pillow writes; each is scored in a process of its own, whose
largest resident size is what counts.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from bench.tables import replace_table
from pipeline import layout, params
from pipeline.digits.network.model import Classifier
from pipeline.scoring.page import read, rows
from pipeline.scoring.row import rules_of
from pipeline.scoring.shard import Shard

WIDTH, HEIGHT = 8000, 6250
INK = (40, 40, 120)
# By suffix, of Pillow's options and the mode that is written.
KINDS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("JPEG, RGB", ".jpg", "RGB", {"quality": 85}),
    ("JPEG, progressive, 4:4:4", ".jpg", "RGB", {"quality": 90, "progressive": True, "subsampling": 0}),
    ("JPEG, CMYK", ".jpg", "CMYK", {}),
    ("PNG, RGB", ".png", "RGB", {"compress_level": 1}),
    ("PNG, RGBA, transparent corners", ".png", "RGBA", {"compress_level": 1}),
    ("PNG, 16 bits", ".png", "I;16", {"compress_level": 1}),
    ("TIFF, LZW, RGB", ".tif", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF, G4", ".tif", "1", {"compression": "group4"}),
    ("TIFF, floats", ".tif", "F", {}),
    ("BMP", ".bmp", "RGB", {}),
    ("GIF", ".gif", "P", {}),
    ("WebP, lossy", ".webp", "RGB", {"method": 0}),
    ("WebP, lossless", ".webp", "RGB", {"lossless": True, "method": 0, "quality": 0}),
    ("PPM", ".ppm", "RGB", {}),
    ("AVIF", ".avif", "RGB", {"speed": 10}),
    ("JPEG 2000", ".jp2", "RGB", {"irreversible": True, "quality_layers": [20]}),
    ("PDF, at 200 dots per inch", ".pdf", "RGB", {"resolution": 300}),
]


def main() -> None:
    """Write and measure every kind, and the files that are named."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        page = _page()
        for number, (name, suffix, mode, options) in enumerate(KINDS):
            file = Path(folder) / f"{number}{suffix}"
            _in_mode(page, mode).save(file, **options)
            rows.append(_row(name, file))
            file.unlink()
    rows += [_row(Path(name).suffix[1:].upper(), Path(name)) for name in sys.argv[1:]]
    head = ["| file of 50 megapixels | its megabytes | largest resident size, MB | seconds | row |", "|---|---|---|---|---|"]
    replace_table("formats", "\n".join([*head, *rows]))


def _row(name: str, file: Path) -> str:
    command = [sys.executable, "-m", "bench.formats", "--one", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return f"| {name} | {file.stat().st_size / 1e6:.1f} | {done.stdout.strip()} |"


def _page() -> Image.Image:
    grain = np.random.default_rng(0).integers(222, 236, (HEIGHT, WIDTH), dtype=np.uint8)
    page = np.dstack([grain, grain, grain - 8])
    cv2.putText(page, "5", (3000, 4200), cv2.FONT_HERSHEY_DUPLEX, 60, INK, 120, cv2.LINE_AA)
    return Image.fromarray(page)


def _in_mode(page: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(page.convert("L"), np.uint16) * 257)
    changed = page.convert(mode)
    if mode == "RGBA":
        changed.paste((0, 0, 0, 0), (0, 0, 500, 500))
    return changed


def _one(file: Path) -> None:
    cv2.setNumThreads(1)
    settings = params.load(layout.PARAMS).score
    classifier = Classifier((layout.MODEL / layout.SCORING_MODEL).read_bytes())
    began = time.perf_counter()
    shard, rules = Shard((bytes(file.resolve())[1:],)), rules_of(settings, 1.0)
    (row,) = rows(shard.paths, list(read(b"/", shard, rules, lambda *_: None)), classifier, "v0.0.0", rules)
    seconds = time.perf_counter() - began
    # This counts the process alone; getrusage begins with what the parent took.
    (peak,) = re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))
    print(f"{int(peak) / 1024:.0f} | {seconds:.1f} | {row.status}: {row.label or row.reason}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(Path(sys.argv[2]))
    else:
        main()
