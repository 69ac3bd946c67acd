"""What DVC's cache need not keep: what no tag, branch or experiment names, and the workspace does not either."""

import logging
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pipeline import git, snapshot

# Of a folder whose list is missing here nobody knows the files; with force, that is no reason to keep all others.
NAMED = {"all_tags": True, "all_branches": True, "all_experiments": True, "force": True}


@dataclass(frozen=True)
class Freed:
    """Files of the cache that nothing names, and their size."""

    files: int
    bytes: int

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.files:,} {'file' if self.files == 1 else 'files'}, {self.bytes / 1e6:,.1f} MB"


def collect(*, dry: bool) -> Freed:
    """Find what nothing names and, unless ``dry``, let DVC remove it. Raises PipelineError."""
    git.complete(*git.run("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/tags", "refs/exps").split())
    logging.disable(logging.WARNING)  # of each stage that never ran here
    try:
        with snapshot.opened() as repo:
            with repo.lock:
                named = {one.value for one in chain.from_iterable(repo.used_objs(**NAMED).values())}
                cache = repo.cache.local
                sizes = [Path(cache.oid_to_path(one)).stat().st_size for one in cache.all() if one not in named]
            if not dry:
                repo.gc(workspace=True, **NAMED)
    finally:
        logging.disable(logging.NOTSET)
    return Freed(len(sizes), sum(sizes))
