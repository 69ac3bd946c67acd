"""The flow ``score-inbox``: every batch in the inbox that has no up-to-date scores is scored with the champion."""

import sys
from pathlib import Path

# It sets up logging when imported; inside a run, Prefect would wait five seconds for that.
import gto  # noqa: F401, TID253
from prefect import State, flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from pipeline import layout, params, registry
from pipeline.errors import PipelineError
from pipeline.params import Score
from pipeline.scoring import run
from pipeline.scoring.manifest import Manifest


@task(name="score", cache_policy=NO_CACHE)
def score_batch(folder: Path, model: registry.ScoringModel, settings: Score) -> Manifest | None:
    """Score one folder of the inbox; None when it is empty or its scores stand already.

    Raises PipelineError past the share of errors, once: the rows stand, and the next run finds them.
    """
    logger = get_run_logger()
    try:
        batch = run.prepare(folder, run.default_out(folder), model, settings)
    except run.NothingToScoreError as nothing:
        logger.warning(str(nothing))
        return None
    if batch.finished():
        logger.info("%s: unchanged", folder.name)
        return None
    manifest = run.score(batch, model, settings, lambda done, total: logger.info("%d of %d images", done, total))
    logger.info("%s: %s, in %s", folder.name, manifest.statuses, batch.scores)
    if failure := run.too_many_errors(manifest, settings):
        raise PipelineError(f"{batch.scores}: {failure}.")
    return manifest


@flow(name="score-inbox")
def score_inbox() -> State[None]:
    """Score what is new in ``data/inbox/``. One batch that fails does not keep the others from being scored."""
    logger = get_run_logger()
    folders = batches(layout.INBOX)
    if not folders:
        return Completed(name="Empty", message=f"no batch in {layout.INBOX}")
    try:
        settings = params.load(layout.PARAMS).score
        model = registry.load(registry.CHAMPION)
    except PipelineError as error:
        return Failed(message=str(error))
    logger.info("%s %s, trained on %s", registry.NAME, model.version, model.dataset)
    states = {
        folder.name: score_batch.with_options(task_run_name=_literally(folder.name))(folder, model, settings, return_state=True)
        for folder in folders
    }
    scored = {name: state.result() for name, state in states.items() if state.is_completed()}
    manifests = {name: manifest for name, manifest in scored.items() if manifest}
    _publish(manifests)
    failures = [f"{name}: {state.result(raise_on_failure=False)}" for name, state in states.items() if not state.is_completed()]
    if failures:
        return Failed(message="; ".join(failures))
    summary = ", ".join(f"{name} ({manifest.rows} images)" for name, manifest in manifests.items())
    return Completed(message=f"scored {summary}") if summary else Completed(name="Unchanged", message="nothing new to score")


def _literally(name: str) -> str:
    """Keep Prefect from filling in what stands in braces, or from choking on bytes that are no UTF-8."""
    return name.encode("utf-8", "replace").decode().replace("{", "{{").replace("}", "}}")


def batches(inbox: Path) -> list[Path]:
    """List the folders of the inbox by name. Hidden ones, which may be half copied, and links are left out."""
    if not inbox.is_dir():
        return []
    return sorted(path for path in inbox.iterdir() if path.is_dir() and not path.is_symlink() and not path.name.startswith("."))


def _publish(manifests: dict[str, Manifest]) -> None:
    if manifests:
        create_table_artifact(
            key="scores",
            table=[
                {"batch": name, "model": one.model, "images": one.rows, **one.statuses, "csv": str(layout.SCORES / name)}
                for name, one in manifests.items()
            ],
            description="Batches scored by this run",
        )


def main() -> None:
    """Run the flow here and now: against ``PREFECT_API_URL`` where it is set, else on a temporary server."""
    state = score_inbox(return_state=True)
    print(f"{state.name}: {state.message}")
    sys.exit(0 if state.is_completed() else 1)


if __name__ == "__main__":
    main()
