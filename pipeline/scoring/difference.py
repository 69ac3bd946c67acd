"""What two models answer differently: both score the same folders, and the rows that change are set side by side."""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import atomic, layout
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score
from pipeline.registry.contents import ScoringModel
from pipeline.reports import html
from pipeline.scoring import batch as batches
from pipeline.scoring import report, run, shard, sheet, source
from pipeline.scoring.batch import Batch, Options
from pipeline.scoring.join import begins_file
from pipeline.scoring.lines import path_of
from pipeline.scoring.row import Row, csv_lines, name_in_csv
from pipeline.scoring.run import Tell

COMPARISONS = layout.SCORES.with_name("comparisons")
CHANGED = "changed.csv"
PAGE = "changed.html"
ANSWER = ("label", "confidence", "status", "reason")


@dataclass(frozen=True)
class Difference:
    """How many rows have another label or another status with the second model, and in which direction.

    ``statuses`` counts by words such as ``ok to review``, ``labels`` by ``3 to 5``, most frequent first; ``file`` is a CSV of
    those rows with both answers; ``page_fault`` says why there is no page of them.
    """

    rows: int
    changed: int
    statuses: dict[str, int]
    labels: dict[str, int]
    file: Path
    page_fault: str = ""

    @property
    def page(self) -> Path:
        """Where people see them."""
        return self.file.with_name(PAGE)

    @property
    def share(self) -> float:
        """Give the share of the rows that change, 0 to 1."""
        return self.changed / self.rows

    def __str__(self) -> str:
        """Say it in a line."""
        directions = ", ".join(f"{number} {words}" for words, number in self.statuses.items())
        labels = f"{sum(self.labels.values())} another label"
        return f"{self.changed} of {self.rows} rows change ({self.share:.2%}): {', '.join(filter(None, (labels, directions)))}"


def measure(
    folders: Sequence[Path], models: tuple[ScoringModel, ScoringModel], settings: Score, tell: Tell, out: Path | None = None
) -> Difference:
    """Score folders with both models and compare row by row. What was scored so before is not scored again.

    All goes below ``out``, or into a folder of ``data/comparisons`` that is named after both versions. Raises PipelineError,
    also for a folder without pictures, or one that changes meanwhile.
    """
    labels: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    rows = changed = 0
    shown_lines: list[bytes] = []
    out = out or COMPARISONS / "-".join(model.version for model in models)
    target = out / CHANGED
    columns = [f"{name}_{model.version}" for model in models for name in ANSWER]
    with atomic.replacing(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_lines([["folder", *Row._fields[:2], *columns]]))
        for number, folder in enumerate(folders):
            name = name_in_csv(os.fsencode(source.place_of(folder)))
            both = [_score(folder, model, out, settings, tell) for model in models]
            to_show: list[tuple[bytes, Row, Row]] = []
            for path, first, second in _pairs(*both):
                rows += 1
                if (first.label, first.status) == (second.label, second.status):
                    continue
                changed += 1
                if len(shown_lines) + len(to_show) < sheet.MOST:
                    to_show.append((path, first, second))
                file.write(csv_lines([[name, first.file, first.page, *_answer(first), *_answer(second)]]))
                if first.label != second.label:
                    labels[f"{first.label or 'none'} to {second.label or 'none'}"] += 1
                if first.status != second.status:
                    statuses[f"{first.status} to {second.status}"] += 1
            shown_lines += _lines(both[1], number, to_show)
    found = Difference(rows, changed, dict(statuses.most_common()), dict(labels.most_common()), target)
    try:
        _write_page(found, folders, [model.version for model in models], shown_lines)
    except PipelineError as fault:
        return replace(found, page_fault=str(fault))
    return found


def last_batches(scores: Path, number: int) -> list[Path]:
    """Give the folders that were scored last, newest first, of those that are still there."""
    finished = sorted(scores.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    folders = (source.of(manifest.parent) for manifest in finished)
    return [folder for folder in folders if folder and folder.is_dir()][:number]


def _score(folder: Path, model: ScoringModel, out: Path, settings: Score, tell: Tell) -> Batch:
    # Two folders may have the same name.
    place = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:8]
    batch = batches.prepare(
        folder, out / model.version / f"{folder.resolve().name}-{place}", model, settings, Options(report=False)
    )
    manifest = batch.finished()
    if manifest is None or batch.is_edited(manifest):
        run.score(batch, model, tell)
    return batch


def _lines(batch: Batch, number: int, changed: list[tuple[bytes, Row, Row]]) -> Iterator[bytes]:
    """Read the pictures of changed rows of a folder again, and write what people are shown of them."""
    answers = {(path, int(after.page)): (before, after) for path, before, after in changed}
    paths = list(dict.fromkeys(path for path, _, _ in changed))
    for reading in shard.read(os.fsencode(batch.folder), paths, batch.rules, sheet.SIDE):
        if rows := answers.get((paths[reading.file], reading.page)):
            yield sheet.line(rows[1], reading, _answer(rows[0]), number)


def _write_page(found: Difference, folders: Sequence[Path], versions: list[str], lines: list[bytes]) -> None:
    about = {
        "bases": [report.address_of(folder, found.page.parent) for folder in folders],
        "rows": found.changed,
        "models": versions,
    }
    title = f"What changes from {' to '.join(versions)}"
    html.write(found.page, html.render("replay.html.jinja", "sheet.js", title=title, found=found, about=about), lines)


def _pairs(first: Batch, second: Batch) -> Iterator[tuple[bytes, Row, Row]]:
    """Read the path and the rows of both, which stand in the same order."""
    with first.scores.open(encoding="utf-8", newline="") as one, second.scores.open(encoding="utf-8", newline="") as other:
        if first.listing.sha256 != second.listing.sha256:
            raise PipelineError(f"{shown(first.given)}: changed while it was scored. Run again.")
        readers = csv.reader(one), csv.reader(other)
        for reader in readers:
            next(reader)
        first.listing.file.seek(0)
        path = b""
        for values in zip(*readers, strict=True):
            if begins_file(values[0]):
                path = path_of(next(first.listing.file))
            before, after = (Row(*one) for one in values)  # type: ignore[arg-type]
            yield path, before, after
        if next(first.listing.file, b""):
            raise PipelineError(f"{shown(first.scores)}: has no row for some files. Delete its folder and run again.")


def _answer(row: Row) -> list[str]:
    return [getattr(row, name) for name in ANSWER]
