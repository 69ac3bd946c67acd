"""The flow ``train``: every stage of ``dvc.yaml``, then the registry."""

import csv
import json
from collections.abc import Mapping
from typing import Any

# GTO sets up logging when it is imported; Prefect would wait five seconds for that inside a run.
import gto  # noqa: F401, TID253
from prefect import State, flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.states import Completed

from flows import experiment, standalone, states
from flows.artifacts import link, name_run, warn
from flows.experiment import Overrides
from flows.stages import fetch_run_cache, read_graph, run_stage
from pipeline import console, layout, params
from pipeline.errors import PipelineError
from pipeline.names import counted
from pipeline.registry import catalogue, registering, versions
from pipeline.reports import training
from pipeline.reports.training import OwnTest

VALIDATE = "validate"
HOUR = 60 * 60
NONE = Overrides()
# A stage takes a small part of these seconds on two cores: past them something hangs. Only a stage that fetches from elsewhere
# can succeed when it is tried again without a change.
USUAL = {"timeout_seconds": HOUR}
OPTIONS: dict[str, Any] = {"ingest": {"retries": 2, "retry_delay_seconds": [5, 20]}, "train": {"timeout_seconds": 12 * HOUR}}


@task(name="register", task_run_name="register", cache_policy=NO_CACHE, timeout_seconds=HOUR)
def register() -> State[str]:
    """Register the model if it passes the gate, and promote it if it beats the champion; the state's name is the verdict.

    Returns what names the run.
    """
    try:
        done = registering.register(params.load(layout.PARAMS), warn, console.progress)
    except registering.GateRefusal as refusal:
        _publish_gate(refusal.verdict.as_json(), "refused")
        return Completed(name=states.REFUSED, message=f"{refusal}\n{refusal.verdict}", data="refused")
    _publish_gate(done.verdict, done.version)
    if not done.is_new:
        return Completed(name="Unchanged", message=done.message, data=f"{done.version} unchanged")
    return Completed(name="Champion" if done.is_champion else "Registered", message=done.message, data=done.version)


@flow(name="train", flow_run_name="train")
def train(overrides: Overrides = NONE) -> State[None]:
    """Bring every stage up to date, then register the model.

    A model that the gate refuses ends the run as ``Refused``, which is a kind of Completed: the pipeline did its work.

    Args:
        overrides: Settings for this run alone, in place of those of params.yaml, which stays as it is. The run works in a copy
            of the project and is kept as a DVC experiment.
    """
    standalone.require_trainable()
    changes = {name: values for name, values in overrides.model_dump().items() if values}
    if not changes:
        return _train("")
    with experiment.workspace(changes) as name:
        return _train(name)


def _train(name: str) -> State[None]:
    """Run the stages and register in the working folder. ``name``: the experiment's, or an empty text."""
    pulls, done = fetch_run_cache(), dict[str, State[Any]]()
    for stage, upstream in read_graph().items():
        run = run_stage.with_options(name=stage, task_run_name=stage, **USUAL | OPTIONS.get(stage, {}))
        state = run(stage, pulls=pulls, wait_for=[done[one] for one in upstream], return_state=True)
        if stage == VALIDATE:
            _publish_validation()
        if not state.is_completed():
            name_run(f"{stage} failed")
            return states.failure(f"{stage}: {state.result(raise_on_failure=False)}", state)
        done[stage] = state
    if name:
        experiment.save(name)
    outcome = register(wait_for=[state], return_state=True)
    if not outcome.is_completed():
        name_run("register failed")
        return states.failure(f"register: {outcome.result(raise_on_failure=False)}", outcome)
    _publish(outcome, done)
    name_run(str(outcome.result()))
    kept = f"\nkept as the DVC experiment {name}: `dvc exp apply {name}` brings it here" if name else ""
    return Completed(name=outcome.name, message=f"{outcome.message}{kept}")


def _publish_validation() -> None:
    """Show the outcome of validation: the counts, what failed, and where the pages are."""
    try:
        report = json.loads((layout.VALIDATION / layout.REPORT).read_text(encoding="utf-8"))
    except FileNotFoundError:  # validation could not begin
        return
    failed = "\n".join(
        "| {severity} | {expectation} | {offending_count} of {count} {suite} | {why} |".format(**one)
        for one in report["expectations"]
        if not one["success"]
    )
    found = f"{report['critical']} critical, {counted(report['warnings'], 'warning')}"
    create_markdown_artifact(
        key="validation",
        markdown=(
            f"# Validation of {report['dataset']}\n\n"
            f"{found}, {report['passed']} passed. "
            f"See {' and '.join(_validation_pages())}.\n\n"
            + (f"| severity | expectation | broken by | why |\n|---|---|---|---|\n{failed}\n" if failed else "")
        ),
        description=f"Expectations of {report['dataset']}: {found}",
    )


def _validation_pages() -> list[str]:
    return [
        link(layout.VALIDATION / layout.REPORT_PAGE, "the report on the data"),
        link(layout.VALIDATION / layout.DATA_DOCS / "index.html", "Data Docs"),
    ]


def _publish_gate(verdict: Mapping[str, Any] | None, what: str) -> None:
    """Show every bound of the gate as a table, with the comparison with the champion as its last row."""
    if verdict is None:
        return
    rows = [
        {name: one[name] for name in ("name", "outcome", "value", "kind", "bound", "distance")} for one in verdict["checks"]
    ]
    if comparison := verdict.get("comparison"):
        rows.append(
            {
                **dict.fromkeys(rows[0], ""),
                "name": f"against {comparison['champion'] or 'no champion'}",
                "outcome": "champion" if comparison["promotes"] else "not champion",
                "value": comparison["outcome"],
            }
        )
    create_table_artifact(key="gate", table=rows, description=f"What the gate says of {versions.NAME}: {what}")


def _publish(outcome: State[Any], done: dict[str, State[Any]]) -> None:
    """Show the metrics as a table and the run as a page in Prefect's UI."""
    metrics = json.loads(layout.METRICS.read_text(encoding="utf-8"))
    page, own = _report()
    create_table_artifact(
        key="metrics",
        table=[{"metric": name, "value": value} for name, value in metrics.items()],
        description=f"Metrics of {versions.NAME} on {metrics['dataset']}",
    )
    with (layout.PLOTS / layout.CLASSES).open(encoding="utf-8", newline="") as rows:
        by_class = "\n".join(
            f"| {row['digit']} | {float(row['precision']):.4f} | {float(row['recall']):.4f} |" for row in csv.DictReader(rows)
        )
    stages = "\n".join(f"| {name} | {state.name} |" for name, state in done.items())
    create_markdown_artifact(
        key="training-summary",
        markdown=(
            f"# {outcome.name}: {versions.NAME} on {metrics['dataset']}\n\n"
            f"```\n{outcome.message}\n```\n\n"
            f"See {', '.join(filter(None, [page, *_validation_pages()]))}.\n\n"
            f"| stage | outcome |\n|---|---|\n{stages}\n\n"
            f"| digit | precision | recall |\n|---|---|---|\n{by_class}\n{own}"
        ),
        description=f"What the run did: {outcome.name}",
    )


def _report() -> tuple[str, str]:
    """Write the training report, and give the link to it, and what own scans brought. Without it the run goes on, and warns."""
    try:
        origin = catalogue.origin(params.load(layout.PARAMS))
        return link(training.write(origin), "the training report"), _brought(origin.own) if origin.own else ""
    except PipelineError as error:
        get_run_logger().warning("no training report: %s", error)
        return "", ""


def _brought(own: OwnTest) -> str:
    """Tell in Markdown how many own scans were read right before and after, by digit."""
    has_before = own.before is not None
    names = ("own scans", "number", *([f"right with {own.champion}"] if has_before else []), "right now")
    rows = [[str(one) for one in row if one is not None] for row in own.by_digit()]
    table = [names, ["---"] * len(names), *rows]
    alone = [f"- {words}: {len(scans)}" for words, scans in own.only_one_reads()]
    return "\n" + "\n".join(f"| {' | '.join(row)} |" for row in table) + "\n\n" + "\n".join(alone) + "\n"


if __name__ == "__main__":
    standalone.run_flow(train, standalone.require_trainable)
