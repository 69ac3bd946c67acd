"""Scoring some files in this process, for what a row says."""

from collections.abc import Sequence

from pipeline.digits.network.model import Classifier
from pipeline.scoring.page import read, rows
from pipeline.scoring.row import Row, Rules
from pipeline.scoring.shard import Shard


def nothing(_file: int, _page: int, _start: bytes) -> None:
    """Do nothing when a page is begun."""


def score_files(folder: bytes, paths: Sequence[bytes], classifier: Classifier, model: str, rules: Rules) -> list[Row]:
    """Give the rows of files below a folder."""
    return rows(paths, list(read(folder, Shard(tuple(paths)), rules, nothing)), classifier, model, rules)
