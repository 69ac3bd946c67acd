"""From what was keyed to scans that the next model learns from."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path

import cv2

from pipeline import atomic
from pipeline.datasets.own import LABEL_OF_NONE
from pipeline.errors import PipelineError
from pipeline.labelled import adding
from pipeline.labelled.adding import Added, Labelled
from pipeline.labelled.choosing import TRACKED
from pipeline.labelled.labels import NO_DIGIT
from pipeline.names import shown
from pipeline.params import Score
from pipeline.review import answers as kept
from pipeline.review import pictures
from pipeline.review.answers import Answers

# What the origin of a folder begins with that is made here, and may be made anew.
ORIGIN = "review of "
NO_NAME = re.compile(r"[^\w.-]+", re.ASCII)


def place_of(out: Path) -> Path:
    """Give the folder that what was keyed of a batch is copied into."""
    return adding.named(f"review-{NO_NAME.sub('-', out.name)}".removesuffix(TRACKED).removesuffix(".csv"))


def learn(out: Path, settings: Score) -> Added:
    """Copy what was keyed of a batch below ``data/labelled``, with what was keyed, in place of an earlier copy.

    What two readers see differently is left out until a third look settles it; a page of many becomes a picture of its own.
    Raises PipelineError.
    """
    target = place_of(out)
    _require_ours(target)
    with kept.opened(out) as answers, atomic.replacing(target) as temporary:
        temporary.mkdir()
        found: list[Labelled] = []
        left: list[tuple[str, str]] = []
        for path, page, picture, value, has_pages in _keyed(answers):
            try:
                name = _copy(answers, path, page if has_pages else 0, picture, settings, temporary)
            except PipelineError as fault:
                left.append((shown(path), str(fault)))
            else:
                found.append((name, 1, LABEL_OF_NONE if value == NO_DIGIT else int(value)))
        if not found:
            why = f": {left[0][0]}: {left[0][1]}" if left else ""
            raise PipelineError(f"{shown(out)}: nothing that was keyed can be learned from{why}. Key some: `digits review`.")
        adding.write_table(target, found)
        adding.write_origin(temporary, f"{ORIGIN}{shown(out)}")
    return Added(target, adding.count(label for _, _, label in found), left)


def _keyed(answers: Answers) -> list[tuple[bytes, int, int, str, bool]]:
    """Give the rows that were keyed and are settled, and whether their file has other pages. One for each picture."""
    query = (
        "select row.path, row.page, pixels, value,"
        " exists (select 1 from scores.row other where other.path = row.path and other.page <> row.page)"
        " from scores.row join keyed on keyed.picture = pixels and pixels <> 0 where value is not null and waits is null"
        " group by pixels order by row.path, row.page"
    )
    return [(path, page, picture, value, bool(more)) for path, page, picture, value, more in answers.execute(query)]


def _copy(answers: Answers, path: bytes, page: int, picture: int, settings: Score, target: Path) -> bytes:
    """Copy a file, or one page of it where it has many, and give its name. Raises PipelineError where it changed."""
    # A list names files anywhere.
    parts = [part for part in path.split(b"/") if part not in (b"", b".", b"..")]
    name = b"/".join(parts) + (b"-page-%d.png" % page if page else b"")
    place = target / os.fsdecode(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    if page:
        _, content = cv2.imencode(".png", pictures.whole(answers, path, page, picture, settings))
        place.write_bytes(content.tobytes())
    else:
        pictures.copy(answers, path, place, settings)
    return name


def _require_ours(target: Path) -> None:
    """Raise PipelineError where a folder was not made here, so that nothing of a user's is replaced."""
    if not target.exists():
        return
    with suppress(OSError, ValueError, KeyError, TypeError):
        if str(json.loads((target / adding.ORIGIN).read_text(encoding="utf-8"))["from"]).startswith(ORIGIN):
            return
    raise PipelineError(f"{shown(target)}: exists already, and is not from a review. Move it, then run again.")
