"""Whose scores a folder holds: a file beside them names the folder that was scored, from before the first row on."""

import os
from pathlib import Path

from pipeline import atomic, layout
from pipeline.errors import PipelineError
from pipeline.names import shown

NAME = ".source"


def place_of(folder: Path) -> Path:
    """Give a folder's path from the project's root where it lies in it, so that a project knows its own after a move."""
    root, place = Path.cwd(), folder.resolve()
    return place.relative_to(root) if place.is_relative_to(root) else place


def default_out(given: Path) -> Path:
    """Give the folder that scores go to unless told otherwise: ``data/scores/NAME``, for a list ``NAME.txt`` too."""
    place = given.resolve()
    return layout.SCORES / ((place.name if place.is_dir() else place.stem) or "root")


def of(scores: Path) -> Path | None:
    """Give the folder, or the file of paths, whose scores lie in ``scores``; None where that is not known."""
    try:
        return Path(os.fsdecode((scores / NAME).read_bytes()))
    except OSError:
        return None


def require(scores: Path, folder: Path) -> None:
    """Raise PipelineError where ``scores`` is, or is about to be, of another folder than ``folder``."""
    source = of(scores.parent)
    if source is None and not scores.exists():
        return
    if source != place_of(folder):
        known = shown(source) if source else "a folder that is not known"
        raise PipelineError(
            f"{shown(scores.parent)}: holds the scores of {known}. Name another folder with --out, or delete this one."
        )


def claim(scores: Path, folder: Path) -> None:
    """Note that ``scores`` will be of ``folder``. Raises PipelineError where they are of another, or it cannot be written."""
    require(scores, folder)
    with atomic.replacing(scores.parent / NAME) as temporary:
        temporary.write_bytes(os.fsencode(place_of(folder)))
