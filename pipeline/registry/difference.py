"""What two models answer differently: both score the same folders, and the rows that change are set side by side."""

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

from pipeline import atomic, layout
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score
from pipeline.registry.contents import ScoringModel
from pipeline.reports import batch as report
from pipeline.reports import html
from pipeline.scoring import batch as batches
from pipeline.scoring import run
from pipeline.scoring.batch import Batch, Options
from pipeline.scoring.database import address
from pipeline.scoring.executors import Here
from pipeline.scoring.row import MOST_SHOWN, Row, Rules, csv_lines, name_in_csv
from pipeline.scoring.run import Tell
from pipeline.scoring.shard import Begin, Shard
from pipeline.scoring.store import opened

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
        file.writelines(csv_lines([["folder", *Row._fields[:2], *columns]]))
        for number, folder in enumerate(folders):
            name = name_in_csv(os.fsencode(layout.place_of(folder)))
            both, count = _score(folder, models, out, settings, tell)
            rows += count
            to_show: list[tuple[bytes, Row, Row]] = []
            for path, first, second in _changed(*both):
                changed += 1
                if len(shown_lines) + len(to_show) < MOST_SHOWN:
                    to_show.append((path, first, second))
                file.writelines(csv_lines([[name, first.file, first.page, *_answer(first), *_answer(second)]]))
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
    return list(islice(filter(None, map(_source, finished)), number))


def _source(manifest: Path) -> Path | None:
    with opened(manifest.parent) as store:
        return store.source if store.source and store.source.is_dir() else None


def _score(folder: Path, models: Iterable[ScoringModel], out: Path, settings: Score, tell: Tell) -> tuple[list[Batch], int]:
    """Score a folder with each model, unless that was done, and give the number of rows too."""
    # Two folders may have the same name.
    place = f"{folder.resolve().name}-{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:8]}"
    both, rows = [], 0
    for model in models:
        batch = batches.prepare(folder, out / model.version / place, model, settings, Options(report=False))
        rows = (batch.finished or run.score(batch, model, tell)).rows
        both.append(batch)
    return both, rows


def _changed(first: Batch, second: Batch) -> Iterator[tuple[bytes, Row, Row]]:
    """Give the path and both rows where they differ, in the order of the CSV."""
    with opened(first.out) as store:
        store.execute("attach ? as other", [address(second.out)])
        files = ("main.file", "other.file", "main.file natural join other.file")
        if len({tuple(store.execute(f"select count(*) from {one}")) for one in files}) > 1:  # noqa: S608 - one of three
            raise PipelineError(f"{shown(first.given)}: changed while it was scored. Run again.")
        found = store.execute(
            "select path, one.line, two.line from main.row one join other.row two using (path, page)"
            " where one.label is not two.label or one.status <> two.status order by path, page"
        )
        for path, *lines in found:
            before, after = (Row(*next(csv.reader(io.StringIO(line, newline="")))) for line in lines)  # type: ignore[arg-type]
            yield path, before, after


def _lines(batch: Batch, number: int, changed: list[tuple[bytes, Row, Row]]) -> Iterator[bytes]:
    """Read the pictures of changed rows of a folder again, and write what people are shown of them."""
    paths = dict.fromkeys(path for path, _, _ in changed)
    task = partial(_pictures, folder=os.fsencode(batch.folder), rules=batch.rules)
    with opened(batch.out) as store:
        read = chain.from_iterable(
            Here().run(task, store.shards_of(paths, batch.settings.shard_size), batch.rules.maximum_seconds)
        )
        pictures = {(path, page): (field, thumbnail) for path, page, field, thumbnail in read}
    for path, before, after in changed:
        yield report.line(list(map(str, after)), *pictures.get((path, int(after.page)), (b"", b"")), _answer(before), number)


def _pictures(shard: Shard, begin: Begin, *, folder: bytes, rules: Rules) -> list[tuple[bytes, int, bytes, bytes]]:
    from pipeline.reports import thumbnails
    from pipeline.scoring.page import picture_of, read

    return [(shard.paths[one.file], *picture_of(one)) for one in read(folder, shard, rules, begin, thumbnails.SIDE)]


def _write_page(found: Difference, folders: Sequence[Path], versions: list[str], lines: list[bytes]) -> None:
    about = {
        "bases": [report.address_of(folder, found.page.parent) for folder in folders],
        "rows": found.changed,
        "models": versions,
    }
    title = f"What changes from {' to '.join(versions)}"
    html.write(found.page, html.render("replay.html.jinja", "sheet.js", title=title, found=found, about=about), lines)


def _answer(row: Row) -> list[str]:
    return [getattr(row, name) for name in ANSWER]
