"""What own labelled scans there are, and how many of them the last model learned from."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import layout
from pipeline.labelled import adding, labels
from pipeline.names import shown
from pipeline.params import Score
from pipeline.registry import contents
from pipeline.scoring.listing import list_folder


@dataclass(frozen=True)
class Overview:
    """A folder of labelled scans: how many labels there are of each digit, and how many of them the last model learned from.

    ``origin``, ``added``: where the scans are from, and when they came; empty texts where nobody wrote it down.
    """

    name: str
    digits: list[int]
    learned: int
    origin: str
    added: str


def overview(settings: Score) -> list[Overview]:
    """Look at every folder of labelled scans, at labels and names alone. Raises PipelineError."""
    learned = _learned()
    folders = sorted(filter(Path.is_dir, layout.LABELLED.glob("[!.]*")))
    return [_look_at(folder, learned.get(shown(folder.name), 0), settings) for folder in folders]


def _look_at(folder: Path, learned: int, settings: Score) -> Overview:
    paths = [path for path, *_ in list_folder(folder, settings.image_suffixes, folder / labels.FILE)]
    found = Counter(labels.read(folder, paths).given.values())
    origin = _read(folder / adding.ORIGIN)
    return Overview(
        shown(folder.name),
        [found[digit] for digit in range(10)],
        learned,
        str(origin.get("from", "")),
        str(origin.get("added", "")),
    )


def _learned() -> dict[str, int]:
    """Count, by folder, what the last model learned from: what was collected last, if it was trained on that."""
    try:
        trained_on = contents.recorded_input(layout.DVC_LOCK.read_text(encoding="utf-8"), "train", layout.OWN)
        if contents.md5(layout.OWN.read_bytes()) != trained_on:
            return {}
    except OSError:
        return {}
    folders = _read(layout.COLLECTED / layout.SUMMARY).get("folders", {})
    return {name: one["train"] + one["validation"] for name, one in folders.items()}


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
