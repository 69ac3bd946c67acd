"""A picture of a batch as a person looks at it, read anew from its file."""

import os
import shutil
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from pipeline.digits.arrays import Gray
from pipeline.digits.field import FIELD
from pipeline.digits.pictures.files.limits import DecodeError
from pipeline.errors import PipelineError
from pipeline.params import Score
from pipeline.reports.thumbnails import NEGATIVE, SAME
from pipeline.review.answers import Answers
from pipeline.scoring import files
from pipeline.scoring import page as pages
from pipeline.scoring.batch import folder_of
from pipeline.scoring.row import rules_of
from pipeline.scoring.shard import Shard

# The longest side of a picture for a person, in pixels.
SIDE = 480
CHANGED = "it changed or went away since it was scored"
JPEG = b"\xff\xd8"


@dataclass(frozen=True)
class Seen:
    """A picture: ``original``, a PNG or JPEG file; and ``field``, (28, 28) uint8 as bytes, what the network saw.

    ``fault``: why it is not the file's, but a small copy that scoring kept; or, without one, why there is none.
    """

    original: bytes
    field: bytes
    fault: str = ""


def read(answers: Answers, path: bytes, page: int, pixels: int, settings: Score) -> Seen:
    """Read a page of a file as scoring did, or where that is another one now, find the copy that scoring kept."""
    found = _reading(answers, path, page, pixels, settings, SIDE)
    if found is None or found.field is None or found.thumbnail is None:
        return _kept(answers, path, page)
    _, content = cv2.imencode(".png", found.thumbnail)
    return Seen(content.tobytes(), found.field.tobytes())


def whole(answers: Answers, path: bytes, page: int, pixels: int, settings: Score) -> Gray:
    """Read a page of a file in full, (h, w) uint8. Raises PipelineError where it is not as it was scored."""
    found = _reading(answers, path, page, pixels, settings, settings.maximum_pixels)
    if found is None or found.thumbnail is None:
        raise PipelineError(CHANGED)
    return found.thumbnail


def copy(answers: Answers, path: bytes, target: Path, settings: Score) -> None:
    """Copy a file, or a member of an archive. Raises PipelineError where it is not as it was scored."""
    if not (shard := as_scored(answers, path)):
        raise PipelineError(CHANGED)
    with files.opened(source(answers), shard, settings.maximum_bytes) as read_some:
        (content,) = read_some(range(1))
    if isinstance(content, DecodeError):
        raise PipelineError(str(content))
    with target.open("wb") as kept, BytesIO(content) if isinstance(content, bytes) else content as file:
        shutil.copyfileobj(file, kept)


def as_scored(answers: Answers, path: bytes) -> Shard | None:
    """Give how a file is read; None where it, or the archive that it is in, is gone or was written since it was scored."""
    listed = "select size, modified, changed from scores.file where path = ?"
    file, known = path, answers.execute(listed, [path]).fetchone()
    if known:
        shard = Shard((path,), places=(str(known[0]),))
    elif member := answers.execute("select archive, place from scores.member where path = ?", [path]).fetchone():
        file, place = member
        shard, known = Shard((path,), file, (place,)), answers.execute(listed, [file]).fetchone()
    return shard if known and files.is_unchanged(source(answers), file, *known) else None


def _reading(answers: Answers, path: bytes, page: int, pixels: int, settings: Score, side: int) -> pages.Reading | None:
    # A file that changed may be of a kind that keeps its decoder busy for ever.
    if shard := as_scored(answers, path):
        rules = rules_of(settings, temperature=1.0)
        for one in pages.read(source(answers), shard, rules, lambda *_: None, side):
            if one.page == page:
                return one if one.pixels == pixels else None
    return None


def address(content: bytes) -> str:
    """Write a PNG or JPEG file as an address that contains it; an empty one for none."""
    kind = "jpeg" if content.startswith(JPEG) else "png"
    return f"data:image/{kind};base64,{b64encode(content).decode()}" if content else ""


def source(answers: Answers) -> bytes:
    """Give the folder that the paths of the rows start from."""
    ((given,),) = answers.execute("select source from scores.run order by number desc limit 1")
    return os.fsencode(folder_of(Path(os.fsdecode(given))))


def _kept(answers: Answers, path: bytes, page: int) -> Seen:
    query = "select field, thumbnail from scores.picture where path = ? and page = ?"
    field, thumbnail = answers.execute(query, [path, page]).fetchone() or (b"", b"")
    if thumbnail in (SAME, NEGATIVE):
        picture = np.frombuffer(field, np.uint8).reshape(FIELD, FIELD)
        _, content = cv2.imencode(".png", picture if thumbnail == SAME else 255 - picture)
        thumbnail = content.tobytes()
    return Seen(thumbnail, field, CHANGED)
