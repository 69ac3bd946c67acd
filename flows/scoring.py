"""The flow ``score-inbox``: every batch in the inbox that has no up-to-date scores is scored with the champion."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import UUID

# It sets up logging when imported; inside a run, Prefect would wait five seconds for that.
import gto  # noqa: F401, TID253
from prefect import State, flow, task
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from flows import standalone
from pipeline import console, layout, params, registry, tags
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score
from pipeline.scoring import batch as batches
from pipeline.scoring import report, run, source
from pipeline.scoring.listing import name_some
from pipeline.scoring.manifest import Manifest

SECONDS_BETWEEN_UPDATES = 1


@dataclass(frozen=True)
class Outcome:
    """What came of a batch: the manifest of what was scored now, and in words what was left undone, and what was not read."""

    manifest: Manifest | None = None
    undone: str = ""
    unread: str = ""


@dataclass(frozen=True)
class Inbox:
    """The batches of the inbox, by name, and what lies beside them and belongs to none."""

    batches: list[Path]
    loose: list[Path]


class Meter:
    """How far a batch is: an artifact of the task's run, and a line in its log every ten seconds."""

    def __init__(self, folder: Path) -> None:
        """Begin at nothing."""
        self._lines = console.Lines(get_run_logger().info)
        self._last = time.monotonic()
        self._folder = folder
        self._artifact: UUID | None = None

    def tell(self, progress: run.Progress) -> None:
        """Show a new state, at most once a second."""
        self._lines.tell(progress)
        if time.monotonic() - self._last < SECONDS_BETWEEN_UPDATES and progress.done < progress.total:
            return
        self._last = time.monotonic()
        percent = 100 * progress.done / progress.total
        if self._artifact is None:
            description = f"Files of {shown(self._folder.name)} that have their rows"
            self._artifact = cast("UUID", create_progress_artifact(percent, description=description))
        else:
            update_progress_artifact(self._artifact, percent)


@task(name="score", cache_policy=NO_CACHE)
def score_batch(folder: Path, model: registry.ScoringModel, settings: Score) -> Outcome:
    """Score one folder of the inbox, unless its scores stand already.

    Raises PipelineError past the share of errors, once: the rows stand, and the next run finds them.
    """
    logger = get_run_logger()
    try:
        batch = batches.prepare(folder, source.default_out(folder), model, settings)
    except batches.NothingToScoreError as nothing:
        logger.warning(str(nothing))
        return Outcome(undone=str(nothing).removesuffix("."))
    undone, unread = batch.listing.unreadable_words, batch.listing.unread_words
    for words in filter(None, (undone, unread)):
        logger.warning("%s: %s", shown(folder.name), words)
    if batch.finished():
        logger.info("%s: unchanged", shown(folder.name))
        return Outcome(None, undone, unread)
    manifest = run.score(batch, model, Meter(folder).tell)
    logger.info("%s: %s, in %s", shown(folder.name), manifest.statuses, shown(batch.scores))
    for words in manifest.warnings:
        logger.warning("%s: %s", shown(folder.name), words)
    if failure := run.too_many_errors(manifest, settings):
        raise PipelineError(f"{shown(batch.scores)}: {failure}.")
    return Outcome(manifest, undone, unread)


@flow(name="score-inbox")
def score_inbox() -> State[None]:
    """Score what is new in ``data/inbox/``. One batch that fails does not keep the others from being scored.

    A run that leaves something in the inbox without a row ends as ``Incomplete``, and one that scored a batch whose labels are
    not to be trusted as ``Suspect``: kinds of Completed, both.
    """
    logger = get_run_logger()
    try:
        settings = params.load(layout.PARAMS).score
        inbox = look_into(layout.INBOX)
        if not inbox.batches and not inbox.loose:
            return Completed(name="Empty", message=f"no batch in {layout.INBOX}")
        model = registry.load(tags.CHAMPION)
    except PipelineError as error:
        return Failed(message=str(error))
    logger.info("%s %s, trained on %s", tags.NAME, model.version, model.dataset)
    states = {
        folder: score_batch.with_options(task_run_name=_literally(folder))(folder, model, settings, return_state=True)
        for folder in inbox.batches
    }
    outcomes = {folder: state.result() for folder, state in states.items() if state.is_completed()}
    failures = [
        f"{shown(folder.name)}: {state.result(raise_on_failure=False)}"
        for folder, state in states.items()
        if not state.is_completed()
    ]
    return _conclude(outcomes, failures, inbox.loose)


def _conclude(outcomes: dict[Path, Outcome], failures: list[str], loose: list[Path]) -> State[None]:
    """Say what was scored, what failed, and what has no row."""
    manifests = {folder: outcome.manifest for folder, outcome in outcomes.items() if outcome.manifest}
    _publish(manifests)
    scored = ", ".join(f"{shown(folder.name)} ({manifest.size_words})" for folder, manifest in manifests.items())
    undone = [f"{shown(folder.name)}: {outcome.undone}" for folder, outcome in outcomes.items() if outcome.undone]
    if loose:
        undone.append(f"beside the batches in {layout.INBOX}, and not looked at: {name_some([path.name for path in loose])}")
    unread = [f"{shown(folder.name)}: {outcome.unread}" for folder, outcome in outcomes.items() if outcome.unread]
    suspicions = [
        f"{shown(folder.name)}: {words}" for folder, manifest in manifests.items() for words in manifest.suspicion_words
    ]
    message = "; ".join([*failures, f"scored {scored}" if scored else "nothing new to score", *suspicions, *undone, *unread])
    if failures:
        return Failed(message=message)
    if suspicions:
        return Completed(name=standalone.SUSPECT, message=message)
    if undone:
        return Completed(name=standalone.INCOMPLETE, message=message)
    return Completed(message=message) if scored else Completed(name="Unchanged", message=message)


def _literally(folder: Path) -> str:
    """Keep Prefect from filling in what stands in braces."""
    return shown(folder.name).replace("{", "{{").replace("}", "}}")


def look_into(inbox: Path) -> Inbox:
    """List the inbox. What is hidden, which may be half copied, is left alone. Raises PipelineError when it cannot be read."""
    try:
        visible = sorted(path for path in inbox.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return Inbox([], [])
    except OSError as error:
        raise PipelineError(f"{shown(inbox)}: cannot be read: {error.strerror}. Make it readable and run again.") from error
    is_batch = {path: path.is_dir() and not path.is_symlink() for path in visible}
    return Inbox([path for path in visible if is_batch[path]], [path for path in visible if not is_batch[path]])


def _publish(manifests: dict[Path, Manifest]) -> None:
    if manifests:
        create_table_artifact(
            key="scores",
            table=[
                {
                    "batch": shown(folder.name),
                    "model": one.model,
                    "images": one.rows,
                    "files": one.files,
                    **one.statuses,
                    "suspicions": ", ".join(one.suspicions),
                    "csv": shown(source.default_out(folder)),
                    "report": _link(source.default_out(folder) / report.NAME),
                }
                for folder, one in manifests.items()
            ],
            description="Batches scored by this run",
        )


def _link(page: Path) -> str:
    return f"[{page.name}]({page.absolute().as_uri()})" if page.exists() else ""


if __name__ == "__main__":
    standalone.run(score_inbox)
