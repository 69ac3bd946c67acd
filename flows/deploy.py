"""Everything that a Prefect server must have: the work pool, the deployments of ``prefect.yaml``, the automations.

``python -m flows.deploy`` makes or updates it on the server at ``PREFECT_API_URL``, as often as it is run. ``prefect deploy
--all`` alone starts again what people paused, and makes no work pool.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import get_current_settings

from flows import automations, standalone
from pipeline import layout
from pipeline.errors import PipelineError, exit_on_error

POOL = "digits"
TAG = "digits"
# A run does what its deployment says: nobody who starts one can give it a command, an environment or a folder.
JOBS: dict[str, Any] = {
    "job_configuration": {"stream_output": True},
    "variables": {"type": "object", "properties": {}, "additionalProperties": False},
}


def apply() -> list[str]:
    """Make or update everything on the server. Gives a line for each deployment, with its next run, and for each automation.

    What a person paused stays paused. Raises PipelineError with Prefect's own words.
    """
    with get_client(sync_client=True) as client:
        _make_pool(client)
        with _as_people_left_it(client):
            _deploy()
        lines = [_next(client, one) for one in deployments(client)]
    return [*lines, *automations.apply()]


def _make_pool(client: SyncPrefectClient) -> None:
    """Make the work pool, or update one of the type process. A pool of another type, which a person made, stays as it is."""
    try:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=JOBS))
    except ObjectAlreadyExists:
        if client.read_work_pool(POOL).type == "process":
            client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=JOBS))


def deployments(client: SyncPrefectClient) -> list[DeploymentResponse]:
    """List the deployments of this pipeline."""
    return client.read_deployments(deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])))


def runs(client: SyncPrefectClient, deployment: DeploymentResponse, *states: StateType) -> list[FlowRun]:
    """List the runs of a deployment that are in one of some states, the earliest first."""
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter.model_validate({"id": {"any_": [deployment.id]}}),
        flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": states}}}),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )


def _deploy() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        env={**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())
        raise PipelineError(f"prefect.yaml: Prefect does not take it: {words[-500:]}. Mend it and run again.")


@contextmanager
def _as_people_left_it(client: SyncPrefectClient) -> Iterator[None]:
    """Pause deployments and schedules again that were paused before the block: Prefect makes them anew in it."""
    paused = {one.name for one in deployments(client) if one.paused}
    silent = {
        (one.name, str(schedule.schedule)) for one in deployments(client) for schedule in one.schedules if not schedule.active
    }
    try:
        yield
    finally:
        for one in deployments(client):
            if one.name in paused:
                client.update_deployment(one.id, DeploymentUpdate(paused=True))
            for schedule in one.schedules:
                if (one.name, str(schedule.schedule)) in silent:
                    client.update_deployment_schedule(one.id, schedule.id, active=False)


def _next(client: SyncPrefectClient, deployment: DeploymentResponse) -> str:
    """Let the server plan a deployment's runs now, which it would do within a minute, and say when the next one is."""
    client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment.id}, json={"min_runs": 1})
    when = next((run.expected_start_time for run in runs(client, deployment, StateType.SCHEDULED)), None)
    if not when:
        return f"{deployment.name}: paused"
    return f"{deployment.name}: next at {when.astimezone():%a %Y-%m-%d %H:%M %Z}, {_until(when)}"


def _until(when: datetime) -> str:
    minutes = max(0, round((when - datetime.now(UTC)).total_seconds() / 60))
    for size, unit in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = minutes // size
            return f"in {count} {unit}{'s' if count > 1 else ''}"
    return "now"


def main() -> None:
    """Make or update everything on the server at ``PREFECT_API_URL``, and print what comes next."""
    with exit_on_error():
        layout.require_root()
        standalone.require_prefect()
        print("\n".join(apply()))


if __name__ == "__main__":
    main()
