"""Scoring one shard: a pure step from the names of some pictures to their rows of the CSV."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from pipeline.digits import decoding, images, trust
from pipeline.digits.field import FIELD
from pipeline.digits.model import Classifier, probabilities
from pipeline.digits.second_look import look_again
from pipeline.scoring.listing import text

FORMULA_STARTS = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Row:
    """One line of ``scores.csv``, its fields in the order of the columns."""

    file: str
    page: int
    label: str
    confidence: str
    second_label: str
    second_confidence: str
    status: str
    reason: str
    model: str


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True)
class Shard:
    """A run of pictures, by their paths below ``folder``, and where its part stands among the others."""

    index: int
    folder: Path
    paths: Sequence[bytes]


@dataclass(frozen=True)
class Rules:
    """What is doubtful and what is refused: a confidence from 0 to 1, and the pixels of the largest picture.

    ``temperature``: the model's, by which its logits are divided so that confidence holds.
    """

    temperature: float
    minimum_confidence: float
    maximum_pixels: int


def score_shard(shard: Shard, classifier: Classifier, model: str, rules: Rules) -> list[Row]:
    """Decode, normalise and read every picture of a shard: a row for each, in order; a broken one never stops the rest."""
    glyphs = [_glyph(shard.folder, path, rules.maximum_pixels) for path in shard.paths]
    found = [glyph.field for glyph in glyphs if isinstance(glyph, images.Glyph)]
    fields = np.array(found, np.uint8).reshape(-1, FIELD, FIELD, 1)
    logits = look_again(classifier, fields, classifier.logits(fields), rules.temperature)
    scores = iter(probabilities(logits, rules.temperature))
    return [
        _error_row(path, glyph, model) if isinstance(glyph, str) else _row(path, glyph, next(scores), model, rules)
        for path, glyph in zip(shard.paths, glyphs, strict=True)
    ]


def csv_line(values: Iterable[object]) -> str:
    r"""Write one line of the CSV. It ends in LF, and a value with CR or LF in it is quoted (RFC 4180)."""
    line = io.StringIO()
    # Python's writer before 3.13 quotes only what its own line end holds.
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue().removesuffix("\r\n") + "\n"


def csv_lines(rows: Iterable[Row]) -> str:
    """Write the rows of a part file."""
    return "".join(csv_line(astuple(row)) for row in rows)


def _glyph(folder: Path, path: bytes, maximum_pixels: int) -> images.Glyph | str:
    """Give the normalised picture, or the reason why there is none."""
    try:
        content = (folder / os.fsdecode(path)).read_bytes()
        return images.normalise(decoding.decode(content, maximum_pixels=maximum_pixels))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except decoding.DecodeError as error:
        return str(error)


def _row(path: bytes, glyph: images.Glyph, scores: np.ndarray, model: str, rules: Rules) -> Row:
    first, second = np.argsort(-scores, kind="stable")[:2]
    reason = trust.doubt(glyph, float(scores[first]), rules.minimum_confidence)
    return Row(
        file=_safe(path),
        page=1,
        label=str(first),
        confidence=f"{scores[first]:.4f}",
        second_label=str(second),
        second_confidence=f"{scores[second]:.4f}",
        status="review" if reason else "ok",
        reason=reason,
        model=model,
    )


def _error_row(path: bytes, reason: str, model: str) -> Row:
    return Row(_safe(path), 1, "", "", "", "", "error", reason, model)


def _safe(path: bytes) -> str:
    """Keep a spreadsheet from running a name as a formula."""
    name = text(path)
    return f"'{name}" if name.startswith(FORMULA_STARTS) else name
