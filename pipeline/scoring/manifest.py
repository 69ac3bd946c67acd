"""The file ``manifest.json``: what was scored, with which model, and what came of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import atomic

SCHEMA_VERSION = 1
NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """A finished run of scoring. ``fingerprint`` stands for all that decides on its rows: pictures, model, settings, code.

    ``unread_pictures`` are counted by suffix. ``scored`` are the rows that this run did not find done; ``images_per_second`` is
    of those.
    """

    folder: str
    dataset: str
    model: str
    model_sha256: str
    parameters: dict[str, float]
    fingerprint: str
    rows: int
    statuses: dict[str, int]
    labels: dict[str, int]
    unread_pictures: dict[str, int]
    ignored: int
    symbolic_links: int
    unreadable_folders: list[str]
    scored: int
    seconds: float
    images_per_second: float
    schema_version: int = SCHEMA_VERSION

    @property
    def error_share(self) -> float:
        """Give the share of error rows, 0 to 1."""
        return self.statuses.get("error", 0) / self.rows if self.rows else 0.0


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into ``folder``, in one step. Raises PipelineError."""
    atomic.write_text(folder / NAME, json.dumps(asdict(manifest), indent=2) + "\n")


def read(folder: Path) -> Manifest | None:
    """Read ``manifest.json`` of a folder; None where there is none of this schema."""
    try:
        return Manifest(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
