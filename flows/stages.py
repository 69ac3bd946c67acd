"""The stages of ``dvc.yaml`` as Prefect tasks: DVC decides whether a stage must run, the task tells what it does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger
from prefect.states import Completed

from flows.artifacts import meter
from pipeline.calling import RemoteError
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.registry import project
from pipeline.registry.remotes import objects, team
from pipeline.stages import PROGRESS

STOP_SECONDS = 20
# From one of these lines on, DVC gives hints to a person at a terminal.
DVC_HINTS = frozenset({"To track the changes with git, run:", "Use `dvc push` to send your updates to remote storage."})

# These are called with the figures in which a stage tells how far it is.
listeners: list[Callable[[dict[str, Any]], None]] = []


def read_graph() -> dict[str, list[str]]:
    """Read from DVC the stages, in order, and those that each depends on. Raises PipelineError outside a project."""
    import networkx as nx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    try:
        with Repo(".") as repo:
            # An edge leads from a stage to one that it depends on.
            graph = repo.index.graph.subgraph(one for one in repo.index.stages if isinstance(one, PipelineStage))
            ordered = nx.dfs_postorder_nodes(graph)
            return {one.name: [upstream.name for upstream in graph.successors(one)] for one in ordered}
    except DvcException as error:
        raise PipelineError(f"{shown(Path.cwd())}: DVC cannot read its stages: {error}. Run in the project's root.") from error


def fetch_run_cache() -> bool:
    """Fetch what a team's remote knows of stages that ran elsewhere, and tell whether stages may be taken from there."""
    clone, logger = team.here(), get_run_logger()
    if not clone:
        return False
    try:
        remark = objects.fetch_run_cache(clone)
    except RemoteError as error:
        logger.warning("%s. Every stage that changed is computed here", error)
        return False
    if remark:
        logger.info("%s: only stages that dvc.lock knows are taken from there", remark)
    return True


@task(cache_policy=NO_CACHE)
def run_stage(stage: str, *, pulls: bool = False) -> State[None]:
    """Run one stage with ``dvc repro``; its lines go to the task's log as they come. Raises PipelineError when it fails.

    ``pulls``: what ran elsewhere is taken from the DVC remote.
    """
    logger = get_run_logger()
    if _is_unchanged(stage):
        logger.info("%s is unchanged", stage)
        return Completed(name="Unchanged", message="code, data and settings are those of the last run")
    lines, ran, show = [], False, meter(f"Epochs of {stage} that are done")
    for line in _repro(stage, pulls=pulls):
        progress = _progress(line)
        ran = ran or bool(progress)
        lines.append(words := progress.get("words", line))
        if words and DVC_HINTS.isdisjoint(lines):
            logger.info(words)
        for listener in listeners if progress else ():
            listener(progress)
        if "done" in progress:
            show(progress["done"], progress["total"])
    if ran:
        return Completed(message=f"{stage} ran")
    return Completed(name="Restored", message="taken from DVC's cache of earlier runs")


def _progress(line: str) -> dict[str, Any]:
    """Read a line in which a stage tells how far it is; an empty dictionary for any other line."""
    try:
        progress = json.loads(line)
    except ValueError:
        return {}
    return progress if isinstance(progress, dict) and "words" in progress else {}


def _is_unchanged(stage: str) -> bool:
    with project.opened(stage) as repo:
        return not repo.status([stage])


def _repro(stage: str, *, pulls: bool) -> Generator[str, None, None]:
    """Yield what ``dvc repro`` prints, line by line. Raises PipelineError with the stage's own words when it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", *(["--pull"] if pulls else []), "--single-item", stage],
        env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", PROGRESS: "json"},
        stdin=subprocess.DEVNULL,  # DVC would ask there for the password of a remote
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            for line in map(str.rstrip, process.stdout or ()):
                lines.append(line)
                if line:
                    yield line
        except BaseException:
            _stop(process)
            raise
    if process.returncode:
        raise PipelineError(_failure(stage, lines))


def _stop(process: subprocess.Popen[str]) -> None:
    """End the stage with all its processes: as Ctrl-C does, and if that does not help, by force."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def _failure(stage: str, lines: list[str]) -> str:
    """Find the stage's error in the lines that were printed, up to where DVC's own begins."""
    own = takewhile(lambda line: not line.startswith("ERROR: "), dropwhile(lambda line: not line.startswith("error: "), lines))
    words = "\n".join(own).removeprefix("error: ").strip()
    return words or f"{stage} failed: {lines[-1] if lines else 'no output'}. See the log of its task."
