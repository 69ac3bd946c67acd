"""What a person sees of a run in Prefect's UI: its name, how far it is, warnings, and links that open."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast
from urllib.parse import quote
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from flows import experiment
from pipeline.names import shown

# The address of `flows.pages`. A page of a server cannot link to files on the disk: browsers do not open these.
PAGES_URL = "DIGITS_PAGES_URL"
SECONDS_BETWEEN_UPDATES = 1
MOST_NAME = 200


def warn(words: str) -> None:
    """Write what a person should know into the log of the run."""
    get_run_logger().warning(words.removeprefix("warning: "))


def meter(description: str) -> Callable[[float, float], None]:
    """Give the function that shows how far a task is, as an artifact of its run, at most once a second and at the end.

    ``description``: what a person reads beside the bar. The artifact is made when there is something to show.
    """
    last, artifact = time.monotonic(), None

    def show(done: float, total: float) -> None:
        nonlocal last, artifact
        if time.monotonic() - last < SECONDS_BETWEEN_UPDATES and done < total:
            return
        last, percent = time.monotonic(), 100 * done / total
        if artifact is None:
            artifact = cast("UUID", create_progress_artifact(percent, description=description))
        else:
            update_progress_artifact(artifact, percent)

    return show


def name_run(what: str) -> None:
    """Name the flow's run after what it does, ``FLOW/WHAT``, for the UI and for notifications."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow is None:
        return
    name = f"{context.flow.name}/{what}"[:MOST_NAME]
    with get_client(sync_client=True) as client:
        client.update_flow_run(context.flow_run.id, name=name)


def link(page: Path, text: str = "") -> str:
    """Link to a page in Markdown, under ``DIGITS_PAGES_URL`` if that is set; an empty text where there is no such page."""
    if not page.exists():
        return ""
    root, place = experiment.lasting(page)
    base = os.environ.get(PAGES_URL)
    address = f"{base.rstrip('/')}/{quote(os.fsencode(place))}" if base else (root / place).as_uri()
    return f"[{text or shown(page.name)}]({address})"


def plain(text: str) -> str:
    """Escape a name, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#&~])", r"\\\1", shown(text))
