"""Telling Prefect that labelled scans were added, so that an automation can start a training."""

import json
from contextlib import suppress
from urllib.parse import quote

from prefect.events import emit_event

from pipeline import atomic, layout
from pipeline.errors import PipelineError
from pipeline.labelled.choosing import TRACKED
from pipeline.registry import contents

# `automations.yaml` can start a training on it.
EVENT = "digits.labelled.added"
# What was told of already.
KNOWN = contents.KEPT / "digits-labelled.json"


def announce() -> list[str]:
    """Send an event for each folder of scans that DVC tracks since the last time, or tracks in another state; give their names.

    What cannot be read is not told, nor what cannot be remembered: it would be told in every run.
    """
    before: dict[str, str] = {}
    with suppress(OSError, ValueError):
        before = dict(json.loads(KNOWN.read_text(encoding="utf-8")))
    try:
        tracked = {file.stem: file.read_text(encoding="utf-8") for file in sorted(layout.LABELLED.glob(f"*{TRACKED}"))}
        if tracked == before:
            return []
        atomic.write_text(KNOWN, json.dumps(tracked))
    except (OSError, ValueError, PipelineError):
        return []
    added = [name for name, state in tracked.items() if before.get(name) != state]
    for name in added:
        resource = {"prefect.resource.id": f"digits.labelled.{quote(name, safe='')}"}
        emit_event(EVENT, resource=resource, payload={"folder": str(layout.LABELLED / name)})
    return added
