"""DVC's project in the working folder: opened, its cache found and freed, a folder given to it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import git
from pipeline.errors import PipelineError
from pipeline.names import shown

if TYPE_CHECKING:
    from dvc.config import Config
    from dvc.repo import Repo

DVC = Path(".dvc")
# The hash of a folder, which is that of the list of its files, ends so.
FOLDER = ".dir"
# If the list of a folder's files is missing here, DVC frees the others only with force.
NAMED = {"all_tags": True, "all_branches": True, "all_experiments": True, "force": True}


def settings() -> "Config":
    """Give DVC's settings, of all files that it reads them from. Raises PipelineError where they cannot be read."""
    from dvc.config import Config, ConfigError

    try:
        return Config(DVC)
    except ConfigError as error:
        raise PipelineError(f"{DVC}: DVC cannot read its settings: {' '.join(str(error).split())}") from error


def cache() -> Path:
    """Find DVC's cache. Raises PipelineError for settings that cannot be read."""
    return Path(settings()["cache"].get("dir", DVC / "cache"), "files/md5").resolve()


@contextmanager
def tracking(folder: Path) -> Iterator[None]:
    """Have DVC keep a folder that the block makes, as ``dvc add`` does. Raises PipelineError outside a project, before that."""
    with opened(shown(folder)) as repo:
        yield
        with _quiet():  # DVC tells what to give to Git
            repo.add(str(folder))


def free(*, dry: bool) -> str:
    """Find the files of DVC's cache that nothing names and, unless ``dry``, let DVC remove them. Raises PipelineError.

    Gives their number and size in words; an empty text where there are none.
    """
    git.complete(*git.output("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/tags", "refs/exps").split())
    with _quiet(), opened() as repo:  # DVC warns of each stage that never ran here
        with repo.lock:
            named = {one.value for one in chain.from_iterable(repo.used_objs(**NAMED).values())}
            cache = repo.cache.local
            sizes = [Path(cache.oid_to_path(one)).stat().st_size for one in cache.all() if one not in named]
        if not dry:
            repo.gc(workspace=True, **NAMED)
    return f"{len(sizes):,} {'file' if len(sizes) == 1 else 'files'}, {sum(sizes) / 1e6:,.1f} MB" if sizes else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what DVC says from people."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def opened(what: str = "") -> "Iterator[Repo]":
    """Open the DVC project of the working folder, to do something with ``what``.

    Raises PipelineError where there is no project, another process has it, or DVC fails in the block.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            yield repo
    except DvcException as error:
        raise PipelineError(f"{what or shown(Path.cwd())}: DVC: {' '.join(str(error).split())}") from error
