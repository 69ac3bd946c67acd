"""How well scans and marks are read and doubted, and what each step of the normaliser gains: ``make bench-scans FOLDER…``.

A folder holds images, with ``labels.csv`` (``file,label``) in it or FOLDER.csv beside it, or with the label in each name after
``_``; where that is no number there is no digit to read. Rendered pages and marks are measured beside them.
"""

import csv
import sys
import timeit
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import numpy.typing as npt

from bench import marks, pages
from bench.tables import replace_table
from pipeline import layout, params
from pipeline.datasets import dataset
from pipeline.digits.arrays import Gray
from pipeline.digits.network import metrics, second_look
from pipeline.digits.network.model import in_batches
from pipeline.digits.pictures import normalising, trust
from pipeline.digits.pictures.files import decoding
from pipeline.digits.pictures.files.limits import DecodeError
from pipeline.digits.pictures.scan import even, pen, shapes
from pipeline.params import Score
from pipeline.stages import evaluate

SEED = 20240229
PAGES_A_KIND = 150
# Shares of right rows for which the coverage is told.
HIGH, HIGHEST = 0.99, 0.995
BATCH = 500
STEPS: dict[str, list[tuple[Any, str, Any]]] = {
    "strips along the border left on": [(normalising, "without_frame", lambda picture: picture)],
    "boxes and ruled lines left on": [
        (room, name, lambda mask: mask) for room in (even, pen) for name in ("without_box", "without_lines")
    ],
    "the paper's pattern left on": [(even, "is_textured", lambda *_: False)],
    "dots left dots": [(normalising, "_is_full", lambda _: False)],
    "squares left on": [(pen, "without_grid", lambda mask, _: (mask, 0.0))],
    "light taken as even": [(room, "is_uneven", lambda _: False) for room in (normalising, even)],
    "photos read as scans": [(normalising, "SMALLEST_PHOTO", sys.maxsize)],
    "broad digits in photos read as a pen's": [(pen, "ENOUGH_EXPLAINED", 0.0)],
    "no closer look at small digits": [(even, "SMALL", 0), (pen, "SMALL", 0)],
    "no second look": [(second_look, "SURE", 0.0)],
    "thin strokes not broadened": [(normalising, "_as_broad_as_usual", lambda glyph: glyph)],
}
VARIANTS: dict[str, Callable[[Gray], Gray]] = {
    "negative": lambda picture: 255 - picture,
    "twice the size": lambda picture: np.asarray(
        cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8
    ),
    "8 pixels of paper around": lambda picture: np.pad(picture, 8, constant_values=int(np.median(shapes.border(picture)))),
}


@dataclass(frozen=True)
class Collection:
    """Decoded pictures, None where one could not be, and their labels, -1 for no digit."""

    name: str
    pictures: list[Gray | None]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """Shares of the rows, 0 to 1: with the right label, with status ``ok``, right among those, ``ok`` with a wrong label.

    ``high``, ``highest``: the largest share that could be ``ok``, by another bound of the confidence, and be right in 99 and in
    99.5 %.
    """

    right: float
    coverage: float
    right_of_ok: float
    wrong_and_ok: float
    high: float
    highest: float


def main() -> None:
    """Measure every folder that is named, and the rendered pages; write the tables into docs/benchmarks.md."""
    cv2.setNumThreads(1)
    settings = params.load(layout.PARAMS).score
    classifier, temperature = evaluate.load(layout.MODEL)
    data = dataset.read(layout.ARRAYS)
    folders = [read_folder(Path(name), settings) for name in sys.argv[1:]]
    digits = render({name: marks.shows(draw) for name, draw in pages.DIGITS.items()}, data, settings)
    others = render({name: marks.shows_none(draw) for name, draw in pages.NO_DIGIT.items()}, data, settings)
    test_set = Collection("MNIST's test images", list(data.test_images[..., 0]), data.test_labels.astype(np.int64))

    def outcomes(collections: list[Collection]) -> list[Outcome]:
        return [measure(collection, classifier, temperature, settings) for collection in collections]

    rows = ["| pictures | number | right | `ok` | right of `ok` | `ok` at 99 % | at 99.5 % |", "|---|---|---|---|---|---|---|"]
    for name, group in (("the folders", folders), ("the rendered digits", digits), ("", [*others, test_set])):
        found = outcomes(group)
        rows += [f"| {c.name} | {len(c.labels)} | {_with_risk(o)} |" for c, o in zip(group, found, strict=True)]
        if name and group:
            rows.append(f"| *mean of {name}* | | {_with_risk(average(found))} |")
    replace_table("scans", "\n".join(rows))

    rows = ["| mark | right | `ok` | wrong and `ok` |", "|---|---|---|---|"]
    for mark in render(marks.KINDS, data, settings):
        seen = measure(mark, classifier, temperature, settings)
        rows.append(f"| {mark.name} | {_percent(seen.right, seen.coverage, seen.wrong_and_ok)} |")
    replace_table("marks", "\n".join(rows))

    rows = ["| pictures of the folders | the same label |", "|---|---|"]
    labels = [answers(c.pictures, classifier, temperature)[1] for c in folders]
    for name, change in VARIANTS.items():
        changed = [[picture if picture is None else change(picture) for picture in c.pictures] for c in folders]
        same = [answers(pictures, classifier, temperature)[1] == label for pictures, label in zip(changed, labels, strict=True)]
        rows += [f"| {name} | {np.mean(np.concatenate(same)):.2%} |"] if folders else []
    replace_table("scans-same", "\n".join(rows))

    rows = ["| step left out | pictures | right | `ok` | right of `ok` |", "|---|---|---|---|---|"]
    for name, patches in {"none": [], **STEPS}.items():
        with ExitStack() as stack:
            for patch in patches:
                stack.enter_context(mock.patch.object(*patch))
            for group, label in ((folders, "folders"), (digits, "rendered digits"), (others, "no digit")):
                rows += [f"| {name} | {label} | {_shares(average(outcomes(group)))} |"] if group else []
    replace_table("scans-steps", "\n".join(rows))

    rows = ["| `normalise`, one core | time |", "|---|---|"]
    rows += [f"| {name} | {microseconds(picture):,.0f} µs |" for name, picture in timed(data.test_images[0, ..., 0]).items()]
    replace_table("scans-times", "\n".join(rows))


def read_folder(folder: Path, settings: Score) -> Collection:
    """Read the images and labels of a folder. Raises SystemExit where there are none."""
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in settings.image_suffixes)
    labels = {path.name: path.stem.partition("_")[2] for path in found}
    for table in (folder / "labels.csv", folder.with_suffix(".csv")):
        if table.is_file():
            with table.open(encoding="utf-8", newline="") as file:
                labels = {row["file"]: row["label"] for row in csv.DictReader(file)}
            break
    if not labels:
        raise SystemExit(f"{folder}: no images. Name folders of images.")
    pictures = [decoded((folder / name).read_bytes(), settings) for name in labels]
    return Collection(folder.name, pictures, np.array([int(label) if label.isdecimal() else -1 for label in labels.values()]))


def render(kinds: dict[str, marks.Kind], data: dataset.Dataset, settings: Score) -> list[Collection]:
    """Render pages of each kind from validation digits; each is encoded and decoded, as a file is."""
    collections = []
    for name, kind in kinds.items():
        random = np.random.default_rng(SEED)
        digits = data.validation_images[..., 0], data.validation_labels
        drawn, labels = zip(*(kind(*digits, random) for _ in range(PAGES_A_KIND)), strict=True)
        pictures = [decoded(cv2.imencode(".png", picture)[1].tobytes(), settings) for picture in drawn]
        collections.append(Collection(name, pictures, np.array(labels)))
    return collections


def decoded(content: bytes, settings: Score) -> Gray | None:
    """Decode a picture; None where it cannot be."""
    try:
        return decoding.decode(content, maximum_pixels=settings.maximum_pixels)
    except DecodeError:
        return None


def measure(collection: Collection, classifier: Any, temperature: float, settings: Score) -> Outcome:
    """Read a collection as scoring does."""
    glyphs, found, confidence = answers(collection.pictures, classifier, temperature)
    each = zip(glyphs, found.tolist(), confidence.tolist(), strict=True)
    is_ok = np.array([not trust.doubt(glyph, digit, sure, settings.minimum_confidence) for glyph, digit, sure in each])
    is_right = found == collection.labels
    is_odd = np.array([bool(trust.doubt(glyph, digit, 1, 0)) for glyph, digit in zip(glyphs, found.tolist(), strict=True)])
    surest = np.argsort(-confidence, kind="stable")
    is_right_of_surest = is_right[surest[~is_odd[surest]]]
    return Outcome(
        float(is_right.mean()),
        float(is_ok.mean()),
        float(is_right[is_ok].mean()) if is_ok.any() else 1.0,
        float((is_ok & ~is_right).mean()),
        *(largest(is_right_of_surest, share) / len(is_right) for share in (HIGH, HIGHEST)),
    )


def largest(is_right: npt.NDArray[np.bool_], share: float) -> int:
    """Give the largest number of rows, from the first, of which at least a share is right."""
    reached = np.flatnonzero(np.cumsum(is_right) >= share * np.arange(1, len(is_right) + 1))
    return int(reached[-1]) + 1 if len(reached) else 0


def answers(
    pictures: list[Gray | None], classifier: Any, temperature: float
) -> tuple[list[normalising.Glyph], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Normalise pictures and label them: their glyphs, the labels and the confidence in each."""
    glyphs = [normalising.BLANK if picture is None else normalising.normalise(picture) for picture in pictures]
    fields = np.stack([glyph.field for glyph in glyphs])[..., np.newaxis]
    logits = second_look.look_again(classifier, fields, in_batches(classifier, fields, BATCH), temperature)
    return glyphs, *metrics.answers_and_confidence(logits, temperature)


def average(outcomes: list[Outcome]) -> Outcome:
    """Give the mean over collections, whatever their sizes."""
    return Outcome(*np.mean([astuple(outcome) for outcome in outcomes], axis=0).tolist())


def timed(digit: Gray) -> dict[str, Gray]:
    """Give the pictures that ``normalise`` is timed on."""
    large = cv2.convertScaleAbs(cv2.resize(255 - digit, (1000, 1000), interpolation=cv2.INTER_CUBIC), alpha=0.98)
    uneven = (large * (1 - 0.5 * np.linspace(0, 1, 1000))).astype(np.uint8)
    return {
        "28x28 like MNIST": digit,
        "28x28 like MNIST, dark on light": 255 - digit,
        "28x28, off the centre": 255 - np.roll(digit, 4, axis=1),
        "28x28, cut tight": 255 - np.asarray(cv2.resize(digit[4:24, 4:24], (28, 28), interpolation=cv2.INTER_CUBIC), np.uint8),
        "1000x1000, even light": np.asarray(large, np.uint8),
        "1000x1000, uneven light": uneven,
    }


def microseconds(picture: Gray) -> float:
    """Time ``normalise``: the median of nine rounds."""
    calls = 1000 if picture.size < 1000 else 20
    return float(np.median(timeit.repeat(partial(normalising.normalise, picture), number=calls, repeat=9)) / calls * 1e6)


def _shares(outcome: Outcome) -> str:
    return _percent(outcome.right, outcome.coverage, outcome.right_of_ok)


def _with_risk(outcome: Outcome) -> str:
    return f"{_shares(outcome)} | {_percent(outcome.high, outcome.highest)}"


def _percent(*shares: float) -> str:
    return " | ".join(f"{share:.2%}" for share in shares)


if __name__ == "__main__":
    main()
