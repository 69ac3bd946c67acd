"""The workspace as it is, kept as a Git commit outside any branch."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import git, layout
from pipeline.errors import PipelineError
from pipeline.names import shown

if TYPE_CHECKING:
    from dvc.repo import Repo


def require_clean() -> None:
    """Raise PipelineError unless code, settings and data are those that the last run of every stage left."""
    with opened() as repo:
        changed = repo.status()
    if changed or not layout.METRICS.exists():
        stages = ", ".join(changed) or "evaluate"
        raise PipelineError(
            f"the workspace is not what the last run left: `dvc status` names {stages}. Run `dvc repro`, then register again."
        )


def take(message: str) -> str:
    """Commit the workspace outside any branch, through an index of its own, and give the commit's hash."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.run("read-tree", "HEAD", environment=index)
        git.run("add", "--update", ".", environment=index)
        # Whatever a person's Git ignores, but for what Python makes of code.
        git.run("add", "--force", "--", *_files_of_the_stages(), ":(exclude,glob)**/__pycache__/**", environment=index)
        tree = git.run("write-tree", environment=index).strip()
    return git.run("commit-tree", tree, "-p", "HEAD", "-m", message).strip()


def _files_of_the_stages() -> list[str]:
    """List what the stages read and write and DVC does not keep: code, settings, metrics, plots; tracked by Git or not."""
    with opened() as repo:
        stages = repo.index.stages
        cached = {out.fspath for stage in stages for out in stage.outs if out.use_cache}
        named = {item.fspath for stage in stages for item in (*stage.deps, *stage.outs)}
    kept = [path for path in named if not any(path == out or path.startswith(out + os.sep) for out in cached)]
    return ["dvc.yaml", str(layout.LOCK), *sorted(os.path.relpath(path) for path in kept)]


@contextmanager
def opened() -> "Iterator[Repo]":
    """Open the DVC project of the working folder. Raises PipelineError where there is none, or another process has it."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            yield repo
    except DvcException as error:
        raise PipelineError(f"{shown(Path.cwd())}: DVC: {' '.join(str(error).split())}") from error
