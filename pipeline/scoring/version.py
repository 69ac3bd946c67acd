"""The version of the way from a file to its row: rows of two versions never stand in one CSV."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# `scoring.shard` and every module that it imports.
MODULES = (
    "digits/field.py",
    "digits/files/decoding.py",
    "digits/files/grey.py",
    "digits/files/heif.py",
    "digits/files/jpeg.py",
    "digits/files/limits.py",
    "digits/files/pdf.py",
    "digits/files/plain.py",
    "digits/files/png.py",
    "digits/files/raster.py",
    "digits/files/tiff.py",
    "digits/files/whole.py",
    "digits/images.py",
    "digits/model.py",
    "digits/quiet.py",
    "digits/scan/even.py",
    "digits/scan/frame.py",
    "digits/scan/lines.py",
    "digits/scan/paper.py",
    "digits/scan/parts.py",
    "digits/scan/pen.py",
    "digits/scan/photo.py",
    "digits/scan/shapes.py",
    "digits/second_look.py",
    "digits/trust.py",
    "scoring/row.py",
    "scoring/shard.py",
)
LIBRARIES = ("ai-edge-litert", "numpy", "opencv-python-headless", "pillow")
# Of the extra `formats`, without which their files are errors.
OPTIONAL = ("pi-heif", "pypdfium2")


@cache
def of_scoring() -> str:
    """Hash the code of the modules, and the releases of the libraries, that decide what stands in a row."""
    digest = hashlib.sha256()
    for module in MODULES:
        digest.update(hashlib.sha256((PACKAGE / module).read_bytes()).digest())
    for library in (*LIBRARIES, *OPTIONAL):
        digest.update(f"{library} {_release(library)}\n".encode())
    return digest.hexdigest()


def _release(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        if library not in OPTIONAL:
            raise
        return "none"
