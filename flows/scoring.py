"""The flow ``score-inbox``: every batch in the inbox that has no up-to-date scores is scored with the champion."""

import os
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

# GTO sets up logging when it is imported; Prefect would wait five seconds for that inside a run.
import gto  # noqa: F401, TID253
from prefect import State, flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from flows import inbox as inboxes
from flows import labelled, standalone, states
from flows.artifacts import link, meter, name_run, plain, warn
from pipeline import console, layout, params
from pipeline.errors import PipelineError
from pipeline.names import counted, shown
from pipeline.params import Score
from pipeline.registry import contents, serving, versions
from pipeline.reports import batch as report
from pipeline.reports import drift
from pipeline.scoring import batch as batches
from pipeline.scoring import run
from pipeline.scoring.export import REVIEW, SCORES
from pipeline.scoring.listing import name_some
from pipeline.scoring.manifest import Manifest

# Seconds for one batch; a million pictures take minutes. The next run keeps the rows that are there by then.
TIME_LIMIT = 2 * 60 * 60
DOUBTS = {"review": "to review", "error": "unreadable"}
# Sent for a batch whose labels are not to be trusted, and for one that has drifted; `automations.yaml` can start a training.
SUSPECT_EVENT, DRIFT_EVENT = "digits.batch.suspect", "digits.drift"


@dataclass(frozen=True)
class Outcome:
    """What came of a batch: the manifest if it was scored now, and in words what else a person should know.

    ``waits``: what it waits for before it is scored; ``undone``: what was left undone; ``unread``: what was not read.
    """

    manifest: Manifest | None = None
    waits: str = ""
    undone: str = ""
    unread: str = ""


@task(name="score", cache_policy=NO_CACHE, timeout_seconds=TIME_LIMIT)
def score_batch(folder: Path, model: contents.ScoringModel, settings: Score, *, fresh: bool) -> Outcome:
    """Score one folder of the inbox, unless its scores stand already or it is still being copied.

    Raises PipelineError past the share of errors, once: the rows stand, and the next run finds them.
    """
    logger, name = get_run_logger(), shown(folder.name)
    options = batches.Options(fresh=fresh, cluster=os.environ.get("DASK_ADDRESS", ""))
    prepare = partial(batches.prepare, folder, layout.scores_of(folder), model, settings, options=options)
    try:
        batch = prepare()
        if not batch.finished and (waits := inboxes.waits_for(folder, settings)):
            return _waiting(name, waits)
        batch = batch if batch.finished else prepare()  # files may have come in the meantime
    except batches.NothingToScoreError as nothing:
        if waits := inboxes.waits_for(folder, settings):
            return _waiting(name, waits)
        logger.warning(str(nothing))
        return Outcome(undone=str(nothing).removesuffix("."))
    undone, unread = batch.listing.unreadable_words, batch.listing.unread_words
    for words in filter(None, (undone, unread)):
        logger.warning("%s: %s", name, words)
    if batch.finished:
        logger.info("%s: unchanged", name)
        return Outcome(undone=undone, unread=unread)
    manifest = run.score(batch, model, _teller(f"Files of {name} that have their rows"))
    logger.info("%s: %s, in %s", name, _came_of(manifest), shown(batch.out / SCORES))
    fault = console.publish_answers(batch.out)
    for words in filter(None, (batch.store_words, *manifest.warnings, fault)):
        logger.warning("%s: %s", name, words)
    if failure := console.too_many_errors(manifest, settings):
        raise PipelineError(f"{shown(batch.out / SCORES)}: {failure}.")
    return Outcome(manifest, undone=undone, unread=unread)


def _waiting(name: str, waits: str) -> Outcome:
    get_run_logger().info("%s %s", name, waits)
    return Outcome(waits=waits)


def _teller(description: str) -> run.Tell:
    """Give the function that shows progress: as an artifact of the task's run, and every ten seconds in its log."""
    log, show = console.ticker(get_run_logger().info), meter(description)

    def tell(progress: run.Progress) -> None:
        log(progress)
        show(progress.done, progress.total)

    return tell


@flow(name="score-inbox", flow_run_name="score-inbox")
def score_inbox(folder: Path = layout.INBOX, model: str = versions.CHAMPION, fresh: bool = False) -> State[None]:
    """Score what is new in the inbox. One batch that fails does not keep the others from being scored.

    A run that leaves something in the inbox without a row ends as ``Incomplete``, one that scored a batch whose labels are
    not to be trusted as ``Suspect``, one that only found batches that are still being copied as ``Waiting``: kinds of
    Completed, all three.

    Args:
        folder: The inbox, from the project's root: each folder in it is a batch.
        model: champion, or a version such as v1.2.0.
        fresh: Score again what was scored before.
    """
    logger = get_run_logger()
    try:
        for name in labelled.announce():
            logger.info("labelled scans were added: %s", shown(name))
        settings = params.load(layout.PARAMS).score
        inbox = inboxes.look_into(folder)
        if not inbox.batches and not inbox.loose:
            return _named("empty", Completed(name="Empty", message=f"no batch in {shown(folder)}"))
        scoring_model = serving.model(model, settings.remote_seconds, warn)
    except PipelineError as error:
        return _named("failed", Failed(message=str(error)))
    logger.info("%s %s, trained on %s", versions.NAME, scoring_model.version, scoring_model.dataset)
    done = {
        batch: score_batch.with_options(task_run_name=_literally(batch))(
            batch, scoring_model, settings, fresh=fresh, return_state=True
        )
        for batch in inbox.batches
    }
    return _conclude(done, [path.name for path in inbox.loose], folder, scoring_model.remark)


def _conclude(done: dict[Path, State[Outcome]], loose: list[str], inbox: Path, remark: str) -> State[None]:
    """Say what was scored, what failed, what has no row, and what there is to say of the model."""
    failed = {batch: state for batch, state in done.items() if not state.is_completed()}
    outcomes = {batch: state.result() for batch, state in done.items() if state.is_completed()}
    scored = {batch: outcome.manifest for batch, outcome in outcomes.items() if outcome.manifest}
    failures = [f"{shown(batch.name)}: {state.result(raise_on_failure=False)}" for batch, state in failed.items()]
    suspicions = [f"{shown(batch.name)}: {words}" for batch, one in scored.items() for words in one.suspicion_words]
    undone = [f"{shown(batch.name)}: {outcome.undone}" for batch, outcome in outcomes.items() if outcome.undone]
    if loose:
        undone.append(f"beside the batches in {shown(inbox)}, and not looked at: {name_some(loose)}")
    waiting = [f"{shown(batch.name)} {outcome.waits}" for batch, outcome in outcomes.items() if outcome.waits]
    unread = [f"{shown(batch.name)}: {outcome.unread}" for batch, outcome in outcomes.items() if outcome.unread]
    did = [f"{shown(batch.name)}: {_came_of(manifest)}" for batch, manifest in scored.items()] or ["nothing new to score"]
    message = "; ".join([*failures, *did, *suspicions, *undone, *waiting, *unread, *filter(None, [remark])])
    _publish(scored)
    if failed:
        return _named(f"{name_some([batch.name for batch in failed])} failed", states.failure(message, *failed.values()))
    what = f"{name_some([batch.name for batch in scored])}: {_came_of(*scored.values())}" if scored else ""
    if suspicions:
        return _named(what, Completed(name=states.SUSPECT, message=message))
    if undone:
        return _named(what or "incomplete", Completed(name=states.INCOMPLETE, message=message))
    if scored:
        return _named(what, Completed(message=message))
    name = states.WAITING if waiting else "Unchanged"
    return _named(name.lower(), Completed(name=name, message=message))


def _came_of(*manifests: Manifest) -> str:
    """Say what came of a batch, or of some together: ``35 images, 5 to review, 3 unreadable``."""
    statuses = sum((Counter(one.statuses) for one in manifests), Counter())
    size = manifests[0].size_words if len(manifests) == 1 else counted(statuses.total(), "image")
    doubts = [f"{statuses[status]:,} {words}" for status, words in DOUBTS.items() if statuses[status]]
    return ", ".join([size, *doubts])


def _named(what: str, state: State[None]) -> State[None]:
    name_run(what)
    return state


def _literally(batch: Path) -> str:
    """Escape braces, which Prefect would fill in."""
    return shown(batch.name).replace("{", "{{").replace("}", "}}")


def _publish(scored: dict[Path, Manifest]) -> None:
    """Show what was scored, as a table and as a page with links, and send events for what people should look after."""
    if not scored:
        return
    rows = [
        {
            "batch": shown(batch.name),
            "model": one.model,
            "images": one.rows,
            "files": one.files,
            **one.statuses,
            "suspicions": ", ".join(one.suspicions),
            "drift": ", ".join(one.drift["drifted"]) or one.drift["verdict"],
            "report": link(layout.scores_of(batch) / report.NAME),
            "csv": link(layout.scores_of(batch) / SCORES),
        }
        for batch, one in scored.items()
    ]
    create_table_artifact(key="scores", table=rows, description="Batches scored by this run")
    create_markdown_artifact(
        key="scoring-summary",
        markdown="\n".join(_summary(batch, one) for batch, one in scored.items()),
        description=f"Scored {name_some([batch.name for batch in scored])}",
    )
    for batch, one in scored.items():
        resource = {"prefect.resource.id": f"digits.batch.{quote(os.fsencode(batch.name), safe='')}"}
        if one.suspicions:
            payload = {"batch": shown(batch.name), "suspicions": one.suspicions}
            emit_event(SUSPECT_EVENT, resource=resource, payload=payload)
        if one.has_drifted:
            effects = {figure["name"]: figure["effect"] for figure in one.drift["figures"] if figure["has_drifted"]}
            payload = {"batch": shown(batch.name), "model": one.model, "effects": effects}
            emit_event(DRIFT_EVENT, resource=resource, payload=payload)


def _summary(batch: Path, manifest: Manifest) -> str:
    """Write the part of the page about one batch: its counts, its links, its warnings."""
    out = layout.scores_of(batch)
    links = filter(None, (link(out / name) for name in (report.NAME, SCORES, REVIEW)))
    counts = ", ".join(f"{count} {status}" for status, count in manifest.statuses.items())
    lines = [
        f"## {plain(batch.name)}",
        f"{manifest.size_words} with {versions.NAME} {manifest.model}: {counts}, in {manifest.seconds:.1f} s",
        plain(manifest.drift_words),
        drift.in_markdown(manifest.drift, manifest.certified_words),
        " · ".join(links),
        *(f"- {plain(words)}" for words in manifest.warnings),
    ]
    return "\n\n".join(lines) + "\n"


if __name__ == "__main__":
    standalone.run_flow(score_inbox)
