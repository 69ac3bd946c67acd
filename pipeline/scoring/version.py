"""The version of the way from a file to its row: rows of two versions never stand in one CSV."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# All code that decides what stands in a row: modules, and folders of them.
CODE = (
    "digits/field.py",
    "digits/network/answers.py",
    "digits/network/model.py",
    "digits/network/second_look.py",
    "digits/pictures",
    "reports/thumbnails.py",
    "scoring/page.py",
    "scoring/row.py",
    "scoring/shard.py",
)
LIBRARIES = ("ai-edge-litert", "numpy", "opencv-python-headless", "pillow")
# These are in the extra `formats`; without them their files are errors.
OPTIONAL = ("pi-heif", "pypdfium2")


@cache
def of_scoring() -> str:
    """Hash the code of the modules, and the releases of the libraries, that decide what stands in a row."""
    digest = hashlib.sha256()
    for module in modules():
        digest.update(hashlib.sha256(module.read_bytes()).digest())
    for library in (*LIBRARIES, *OPTIONAL):
        digest.update(f"{library} {_release(library)}\n".encode())
    return digest.hexdigest()


def modules() -> list[Path]:
    """List the modules that are hashed."""
    places = [PACKAGE / place for place in CODE]
    return [module for place in places for module in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]


def _release(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        if library not in OPTIONAL:
            raise
        return "none"
