"""What a row says, and how many of them a run has kept."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.digits.network.model import Classifier
from pipeline.errors import PipelineError
from pipeline.scoring.page import read, rows
from pipeline.scoring.row import Row, Rules
from pipeline.scoring.shard import Shard
from pipeline.scoring.store import opened


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
