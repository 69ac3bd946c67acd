"""The flow ``train``: every stage of ``dvc.yaml``, then the registry."""

import csv
import json
from typing import Any

# It sets up logging when imported; inside a run, Prefect would wait five seconds for that.
import gto  # noqa: F401, TID253
from prefect import State, flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from flows import standalone
from flows.stages import read_graph, run_stage
from pipeline import layout, params, registration, registry, tags, training_report
from pipeline.errors import PipelineError

VALIDATE = "validate"
# Only what a stage fetches from elsewhere can come right by itself.
RETRIES: dict[str, dict[str, Any]] = {"ingest": {"retries": 2, "retry_delay_seconds": [5, 20]}}


@task(name="register", task_run_name="register", cache_policy=NO_CACHE)
def register() -> State[None]:
    """Register the model if it passes the gate, and promote it if it beats the champion; the state's name is the verdict."""
    try:
        done = registration.register(params.load(layout.PARAMS))
    except registration.GateRefusal as refusal:
        return Completed(name="Refused", message=f"{refusal}\n{refusal.verdict}")
    if not done.is_new:
        return Completed(name="Unchanged", message=done.message)
    return Completed(name="Champion" if done.is_champion else "Registered", message=done.message)


def check() -> None:
    """Find what would stop the run at its end: bad settings, or a repository that takes no tag. Raises PipelineError."""
    params.load(layout.PARAMS)
    registry.require_repository()


@flow(name="train")
def train() -> State[None]:
    """Bring every stage up to date, then register the model.

    A model that the gate refuses ends the run as ``Refused``, which is a kind of Completed: the pipeline did its work.
    """
    check()
    done: dict[str, State[Any]] = {}
    for stage in read_graph():
        run = run_stage.with_options(name=stage.name, task_run_name=stage.name, **RETRIES.get(stage.name, {}))
        state = run(stage.name, wait_for=[done[name] for name in stage.upstream], return_state=True)
        if stage.name == VALIDATE:
            _publish_validation()
        if not state.is_completed():
            return Failed(message=f"{stage.name}: {state.result(raise_on_failure=False)}")
        done[stage.name] = state
    outcome = register(wait_for=[state], return_state=True)
    if not outcome.is_completed():
        return Failed(message=f"register: {outcome.result(raise_on_failure=False)}")
    _publish(outcome, done)
    return Completed(name=outcome.name, message=outcome.message)


def _publish_validation() -> None:
    """Show what validation found: the counts, what failed, and where the pages are."""
    try:
        report = json.loads((layout.VALIDATION / layout.REPORT).read_text(encoding="utf-8"))
    except FileNotFoundError:  # it found nothing, for it could not begin
        return
    failed = "\n".join(
        "| {severity} | {expectation} | {offending_count} of {count} {suite} | {why} |".format(**one)
        for one in report["expectations"]
        if not one["success"]
    )
    pages = [
        f"[{path}]({path.absolute().as_uri()})"
        for path in (layout.VALIDATION / layout.REPORT_PAGE, layout.VALIDATION / layout.DATA_DOCS / "index.html")
    ]
    create_markdown_artifact(
        key="validation",
        markdown=(
            f"# Validation of {report['dataset']}\n\n"
            f"{report['critical']} critical, {report['warnings']} warnings, {report['passed']} passed. "
            f"See {' and '.join(pages)}.\n\n"
            + (f"| severity | expectation | broken by | why |\n|---|---|---|---|\n{failed}\n" if failed else "")
        ),
        description=f"Expectations of {report['dataset']}: {report['critical']} critical, {report['warnings']} warnings",
    )


def _publish(outcome: State[Any], done: dict[str, State[Any]]) -> None:
    """Show the metrics as a table and the run as a page in Prefect's UI."""
    metrics = json.loads(layout.METRICS.read_text(encoding="utf-8"))
    create_table_artifact(
        key="metrics",
        table=[{"metric": name, "value": value} for name, value in metrics.items()],
        description=f"Metrics of {tags.NAME} on {metrics['dataset']}",
    )
    with (layout.PLOTS / layout.CLASSES).open(encoding="utf-8", newline="") as rows:
        by_class = "\n".join(
            f"| {row['digit']} | {float(row['precision']):.4f} | {float(row['recall']):.4f} |" for row in csv.DictReader(rows)
        )
    stages = "\n".join(f"| {name} | {state.name} |" for name, state in done.items())
    create_markdown_artifact(
        key="training-summary",
        markdown=(
            f"# {outcome.name}: {tags.NAME} on {metrics['dataset']}\n\n"
            f"```\n{outcome.message}\n```\n\n{_report()}"
            f"| stage | outcome |\n|---|---|\n{stages}\n\n"
            f"| digit | precision | recall |\n|---|---|---|\n{by_class}\n"
        ),
        description=f"What the run did: {outcome.name}",
    )


def _report() -> str:
    """Write the training report, and give the line that links to it; a run is as good without, and says so."""
    try:
        page = training_report.write(params.load(layout.PARAMS))
    except PipelineError as error:
        get_run_logger().warning("no training report: %s", error)
        return ""
    return f"See [{page}]({page.absolute().as_uri()}).\n\n"


if __name__ == "__main__":
    standalone.run(train, check)
