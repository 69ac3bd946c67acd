"""What is the same for all shards of a run, as it is told to another process."""

import base64
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.scoring.lines import Shard
from pipeline.scoring.row import Row, Rules, csv_lines


@dataclass(frozen=True)
class Job:
    """A model and the rules of its rows; the folder that the paths start from, and the file that they stand in.

    ``shown_share``: of the rows that are sure, drawn at random, people are shown, 0 to 1; None where there is no report.
    """

    folder: Path
    pending: Path
    version: str
    content: bytes
    rules: Rules
    shown_share: float | None = None

    def sheet(self, shard: Shard) -> Path:
        """Where what people are shown of a shard goes, beside its part."""
        return self.pending.with_name(shard.sheet)

    def as_json(self) -> dict[str, Any]:
        """Give what JSON can hold."""
        content = base64.b64encode(self.content).decode()
        return asdict(self) | {"folder": str(self.folder), "pending": str(self.pending), "content": content}

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> "Job":
        """Read it back."""
        rules = Rules(**values["rules"] | {"digits": tuple(values["rules"]["digits"])})
        folder, pending = Path(values["folder"]), Path(values["pending"])
        return cls(folder, pending, values["version"], base64.b64decode(values["content"]), rules, values["shown_share"])


@dataclass(frozen=True)
class Scored:
    """What came of a shard: lines of the CSV, and how many rows have which status."""

    rows: str
    statuses: dict[str, int]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Scored":
        """Write rows, and count them."""
        rows = list(rows)
        return cls(csv_lines(row.values for row in rows), dict(Counter(row.status for row in rows)))
