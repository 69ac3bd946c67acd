"""What a person sees of a run in Prefect's UI: its name, how far it is, and links that open."""

import os
import re
import time
from pathlib import Path
from typing import cast
from urllib.parse import quote
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext

from flows import experiment
from pipeline.names import shown

# The address of `flows.pages`. From a page of a server, a browser opens no file of the disk.
PAGES_URL = "DIGITS_PAGES_URL"
SECONDS_BETWEEN_UPDATES = 1
MOST_NAME = 200


class Meter:
    """How far a task is, as an artifact of its run. It is made once there is something to show."""

    def __init__(self, description: str) -> None:
        """Begin at nothing; ``description`` is what a person reads beside the bar."""
        self._description = description
        self._last = time.monotonic()
        self._artifact: UUID | None = None

    def show(self, done: float, total: float) -> None:
        """Show a new state, at most once a second, and the last one in any case."""
        if time.monotonic() - self._last < SECONDS_BETWEEN_UPDATES and done < total:
            return
        self._last = time.monotonic()
        percent = 100 * done / total
        if self._artifact is None:
            self._artifact = cast("UUID", create_progress_artifact(percent, description=self._description))
        else:
            update_progress_artifact(self._artifact, percent)


def name_run(what: str) -> None:
    """Name the flow's run after what it does, ``FLOW/WHAT``: what it is called in the UI and in notifications."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow is None:
        return
    name = f"{context.flow.name}/{what}"[:MOST_NAME]
    with get_client(sync_client=True) as client:
        client.update_flow_run(context.flow_run.id, name=name)


def link(page: Path, text: str = "") -> str:
    """Link to a page in Markdown, by way of ``DIGITS_PAGES_URL`` where that is set; nothing where there is no such page."""
    if not page.exists():
        return ""
    root, place = experiment.lasting(page)
    base = os.environ.get(PAGES_URL)
    address = f"{base.rstrip('/')}/{quote(os.fsencode(place))}" if base else (root / place).as_uri()
    return f"[{text or shown(page.name)}]({address})"


def plain(text: str) -> str:
    """Escape a name, so that Markdown takes all of it for text."""
    return re.sub(r"([\\`*_{}\[\]<>|#&~])", r"\\\1", shown(text))
