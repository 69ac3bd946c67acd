"""The batches that were scored into a folder, oldest first, each beside what was usual for its model."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.reports import batch as report
from pipeline.reports.drift import Past
from pipeline.scoring import manifest as manifests

UNTOLD = "scored by a version of this program that did not compare"
BLOCKS = "▁▂▃▄▅▆▇█"


def read(folder: Path, say: Callable[[str], None]) -> list[Past]:
    """Read the batches of a folder, and itself where it is one; ``say`` is called with what cannot be read, in words.

    Raises PipelineError where there is none.
    """
    files = sorted([*folder.glob(f"*/{manifests.NAME}"), *folder.glob(manifests.NAME)])
    found = []
    for file in files:
        try:
            found.append(_past(file, folder))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            say(f"warning: {shown(file)}: left out, for it cannot be read: {' '.join(str(error).split())}")
    if not found:
        raise PipelineError(
            f"{shown(folder)}: no scored batch in it, for none has a manifest.json. `digits score FOLDER` scores one."
        )
    return sorted(found, key=lambda past: past.finished)


def chart(effects: list[float | None], least_effect: float) -> str:
    """Draw effects as a line of blocks, the lowest for none, the highest for twice the least that counts, or the largest."""
    top = max([2 * least_effect, *(one for one in effects if one is not None)])
    return "".join(" " if one is None else BLOCKS[round(one / top * (len(BLOCKS) - 1))] for one in effects)


def _past(file: Path, folder: Path) -> Past:
    content = json.loads(file.read_text(encoding="utf-8"))
    finished = content.get("finished_at") or datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")
    drift, model, rows = content.get("drift") or {}, str(content["model"]), int(content["rows"])
    page = file.with_name(report.NAME)
    return Past(
        name=shown(file.parent.name or file.parent.resolve().name),
        finished=datetime.fromisoformat(finished).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        model=model,
        rows=rows,
        review=_percent(content["statuses"].get("review", 0) / rows if rows else None),
        expected=_percent(drift.get("expected_accuracy")),
        words=manifests.words_of(drift, model) if drift else UNTOLD,
        figures={one["name"]: _figure(one) for one in drift.get("figures", ())},
        report=quote_from_bytes(bytes(page.relative_to(folder))) if page.exists() else "",
    )


def _figure(one: Mapping[str, Any]) -> dict[str, Any]:
    means = {name: None if one[name] is None else float(one[name]) for name in ("batch", "reference")}
    return {"effect": float(one["effect"]), "p": float(one["p"]), "has_drifted": bool(one["has_drifted"]), **means}


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
