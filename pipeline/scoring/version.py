"""The version of the way from a file to its row: rows of two versions never stand in one CSV."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# `scoring.shard` and every module that it imports.
MODULES = (
    "digits/decoding.py",
    "digits/field.py",
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


@cache
def of_scoring() -> str:
    """Hash the code of the modules, and the releases of the libraries, that decide what stands in a row."""
    digest = hashlib.sha256()
    for module in MODULES:
        digest.update(hashlib.sha256((PACKAGE / module).read_bytes()).digest())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    return digest.hexdigest()
