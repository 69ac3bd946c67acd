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

# Spreadsheets run what begins so, the first four in full width too; and the sign that keeps them from it marks itself.
FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n", "'")


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
    """What is doubtful and what is refused: a confidence from 0 to 1, the bytes of the largest file, the pixels of a picture.

    ``temperature``: the model's, by which its logits are divided so that confidence holds.
    """

    temperature: float
    minimum_confidence: float
    maximum_bytes: int
    maximum_pixels: int


def score_shard(shard: Shard, classifier: Classifier, model: str, rules: Rules) -> list[Row]:
    """Decode, normalise and read every picture of a shard: a row for each, in order; a broken one never stops the rest."""
    glyphs = [_glyph(shard.folder / os.fsdecode(path), rules) for path in shard.paths]
    found = [glyph.field for glyph in glyphs if isinstance(glyph, images.Glyph)]
    fields = np.array(found, np.uint8).reshape(-1, FIELD, FIELD, 1)
    logits = look_again(classifier, fields, classifier.logits(fields), rules.temperature)
    scores = iter(probabilities(logits, rules.temperature))
    return [
        _unlabelled_row(path, "error", glyph, model)
        if isinstance(glyph, str)
        else _row(path, glyph, next(scores), model, rules)
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


def _glyph(file: Path, rules: Rules) -> images.Glyph | str:
    """Give the normalised picture, or the reason why there is none."""
    try:
        size = file.stat().st_size
        if size > rules.maximum_bytes:
            return f"{size} bytes, more than {rules.maximum_bytes}"
        return images.normalise(decoding.decode(file.read_bytes(), maximum_pixels=rules.maximum_pixels))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except decoding.DecodeError as error:
        return str(error)
    except MemoryError:
        return "needs more memory than there is"
    except Exception as error:  # noqa: BLE001 - whatever picture the normaliser was not made for, the others are scored
        return f"cannot be normalised: {' '.join(str(error).split())[:120] or type(error).__name__}"


def _row(path: bytes, glyph: images.Glyph, scores: np.ndarray, model: str, rules: Rules) -> Row:
    first, second = np.argsort(-scores, kind="stable")[:2]
    reason = trust.doubt(glyph, float(scores[first]), rules.minimum_confidence)
    status = "review" if reason else "ok"
    if reason == trust.BLANK:
        return _unlabelled_row(path, status, reason, model)
    return Row(
        file=name_in_csv(path),
        page=1,
        label=str(first),
        confidence=f"{scores[first]:.4f}",
        second_label=str(second),
        second_confidence=f"{scores[second]:.4f}",
        status=status,
        reason=reason,
        model=model,
    )


def _unlabelled_row(path: bytes, status: str, reason: str, model: str) -> Row:
    return Row(name_in_csv(path), 1, "", "", "", "", status, reason, model)


def name_in_csv(path: bytes) -> str:
    r"""Write a path as text that no spreadsheet runs as a formula; other paths give other texts.

    A byte that is no UTF-8 becomes ``\xNN``, a backslash two; then ``'`` goes before what begins like a formula or with ``'``.
    """
    name = path.replace(b"\\", rb"\\").decode("utf-8", "backslashreplace")
    return f"'{name}" if name.startswith(FORMULA_STARTS) else name
