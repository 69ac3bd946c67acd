"""The file ``manifest.json``: what was scored, with which model, and what came of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline import atomic
from pipeline.names import counted

SCHEMA_VERSION = 6
NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """A finished run of scoring.

    ``method`` stands for all that decides on a row but the picture: model, settings, code; ``fingerprint`` for the method and
    what came of it; ``scores_sha256`` is of ``scores.csv``. There is a row for every page of the ``files``. ``statuses`` count
    rows, ``file_statuses`` files, one with pages of two statuses for both. ``reasons`` are of the rows for review and the
    errors, ``labels`` of the rows that have one, ``unread_pictures`` are counted by suffix. The rows of ``reused`` files are of
    an earlier run, those of ``resumed`` ones of this one before it was interrupted; ``scored`` are the other files, and
    ``images_per_second`` counts their rows. ``edited`` is the file that keeps what somebody made of the last ``scores.csv``.
    ``suspicions`` speak against the batch as a whole: a name, and words. ``report_fault``: why there is no report, where one
    was asked for. ``review``: what came of keying, and in words, where somebody keyed. ``model_remark``: what a person should
    know of how the model was chosen, where a team's remote did not tell. ``drift``: the batch beside what is usual for the
    model, see ``scoring.comparison``. ``finished_at``: in UTC. ``audit``: whose labels the rows have, where it is not the model
    that gave them, see ``quality.audit``.
    """

    folder: str
    dataset: str
    model: str
    model_sha256: str
    settings: dict[str, Any]
    method: str
    fingerprint: str
    scores_sha256: str
    rows: int
    files: int
    statuses: dict[str, int]
    file_statuses: dict[str, int]
    reasons: dict[str, int]
    labels: dict[str, int]
    unread_pictures: dict[str, int]
    ignored: int
    symbolic_links: int
    unreadable_folders: list[str]
    reused: int
    resumed: int
    scored: int
    workers: int
    seconds: float
    images_per_second: float
    edited: str
    suspicions: dict[str, str]
    report_fault: str = ""
    review: dict[str, Any] = field(default_factory=dict)
    model_remark: str = ""
    drift: dict[str, Any] = field(default_factory=dict)
    finished_at: str = ""
    audit: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def size_words(self) -> str:
        """Say how many rows there are, and of how many files where that is another number."""
        return counted(self.rows, "image") + (f" of {counted(self.files, 'file')}" if self.files != self.rows else "")

    @property
    def suspicion_words(self) -> list[str]:
        """Say each suspicion in a line."""
        return [f"{name}: {words}" for name, words in self.suspicions.items()]

    @property
    def drift_words(self) -> str:
        """Say what the comparison with the model's profile came to."""
        return words_of(self.drift, self.model)

    @property
    def certified_words(self) -> str:
        """Say what a person certified, or nothing."""
        return str(self.review["words"][-1]) if self.review.get("promise") else ""

    @property
    def has_drifted(self) -> bool:
        """Tell whether the batch is unlike what the model was measured on."""
        return bool(self.drift.get("drifted"))

    @property
    def warnings(self) -> list[str]:
        """Say what speaks against the batch, and what it lacks."""
        return [*self.suspicion_words, *([f"no report: {self.report_fault}"] if self.report_fault else [])]

    @property
    def error_share(self) -> float:
        """Give the share of error rows, 0 to 1."""
        return self.statuses.get("error", 0) / self.rows if self.rows else 0.0

    def to_json(self) -> str:
        """Write it as it stands in the file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def words_of(drift: Mapping[str, Any], model: str) -> str:
    """Say what a comparison came to; nothing where there is none."""
    if not drift:
        return ""
    if why := drift["why"]:
        return f"drift unknown: {why}"
    named = f": {', '.join(drift['drifted'])}" if drift["drifted"] else ""
    return f"{drift['verdict']} from the {drift['against']} of {model}{named}"


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into ``folder``, in one step. Raises PipelineError."""
    atomic.write_text(folder / NAME, manifest.to_json())


def read(folder: Path) -> Manifest | None:
    """Read ``manifest.json`` of a folder; None where there is none of this schema."""
    try:
        manifest = Manifest(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return manifest if manifest.schema_version == SCHEMA_VERSION else None
