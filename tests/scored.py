"""A folder of pictures that is scored, what its rows say, and how many of them a run has kept."""

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline import params
from pipeline.digits.network.model import Classifier
from pipeline.errors import PipelineError
from pipeline.registry.contents import ScoringModel
from pipeline.reports import html
from pipeline.scoring import batch as batches
from pipeline.scoring import run
from pipeline.scoring.batch import Options
from pipeline.scoring.manifest import Manifest
from pipeline.scoring.page import read, rows
from pipeline.scoring.row import Row, Rules
from pipeline.scoring.shard import Shard
from pipeline.scoring.store import opened
from tests.conftest import ROOT

SETTINGS = params.load(ROOT / "params.yaml").score.model_copy(update={"shard_size": 7})
IMAGES = 30


class Scans:
    """A folder of pictures, and how it is scored."""

    def __init__(self, folder: Path, model: ScoringModel, out: Path | None = None) -> None:
        self.folder, self.model = folder, model
        self.out = out or folder.parent / "scores"

    def score(
        self,
        out: Path | None = None,
        tell: Callable[[run.Progress], None] = lambda _: None,
        settings: params.Score = SETTINGS,
        **options: Any,
    ) -> Manifest:
        batch = batches.prepare(self.folder, out or self.out, self.model, settings, Options(**options))
        return batch.finished or run.score(batch, self.model, tell)

    def rows(self) -> dict[str, dict[str, str]]:
        with (self.out / "scores.csv").open(encoding="utf-8", newline="") as file:
            return {row["file"]: row for row in csv.DictReader(file)}

    def shown(self) -> dict[str, list[Any]]:
        lines = [json.loads(line) for line in html.lines_of(self.out / "report.html")]
        by_name = {line[0]: line for line in lines}
        assert len(by_name) == len(lines)
        return by_name

    def add(self, *names: str) -> None:
        for name in names:
            shutil.copyfile(self.folder / "00003.png", self.folder / name)


def interrupt_after(shards: int) -> Callable[[run.Progress], None]:
    """Give what stops a run as Ctrl-C does."""
    left = [shards]

    def tell(_: run.Progress) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    return tell


def nothing(_file: int, _page: int, _start: bytes) -> None:
    """Do nothing when a page is begun."""


def score_files(folder: bytes, paths: Sequence[bytes], classifier: Classifier, model: str, rules: Rules) -> list[Row]:
    """Give the rows of files below a folder."""
    return rows(paths, list(read(folder, Shard(tuple(paths)), rules, nothing)), classifier, model, rules)


def rows_in(out: Path) -> int:
    """Count the rows that a run has kept so far in an output folder."""
    with suppress(PipelineError), opened(out) as store:
        return sum(1 for _ in store.execute("select 1 from row"))
    return 0  # it is being made
