"""The registry's Git tags: versions and their champion, as GTO writes and reads them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline import git, layout
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from scmrepo.git import Git

NAME = "digit-cnn"
CHAMPION = "champion"
FIRST_VERSION = "v1.0.0"
ALL = (f"{NAME}@*", f"{NAME}#*")


@dataclass(frozen=True)
class Version:
    """A registered model: its version, the commit that holds everything about it, and the metrics it was tested with.

    ``metrics`` is empty for a tag that somebody else put on a commit without any that say how good the model is.
    """

    version: str
    commit: str
    registered_at: datetime
    is_champion: bool
    metrics: dict[str, Any]


def versions() -> list[Version]:
    """List the registered versions, oldest first, as ``gto show`` has them. Raises PipelineError outside a Git repository.

    An event of GTO's stands until a later one of its kind: what was deprecated is not listed, or is champion no more.
    """
    from gto.constants import Action
    from gto.tag import find, parse_name

    git.require_commit()
    with _scm() as scm:
        events = [(parse_name(tag.name), tag) for tag in find(name=NAME, scm=scm)]
    # Within a second GTO takes what takes away for the later one.
    events.sort(key=lambda event: (event[1].tag_time, event[0]["action"] in (Action.UNASSIGN, Action.DEREGISTER)))
    if not events or events[-1][0]["action"] == Action.DEPRECATE:
        return []
    registrations = {parsed["version"]: (parsed["action"], tag) for parsed, tag in events if "version" in parsed}
    assignments = {tag.target: (parsed["action"], tag) for parsed, tag in events if parsed.get("stage") == CHAMPION}
    active = {version: tag for version, (action, tag) in registrations.items() if action == Action.REGISTER}
    # GTO shows no stage of a version that was deprecated, though the stage was never taken from it.
    gone = {tag.target for _, tag in registrations.values()} - {tag.target for tag in active.values()}
    assigned = [tag for action, tag in assignments.values() if action == Action.ASSIGN and tag.target not in gone]
    champion = max(assigned, key=lambda tag: tag.tag_time).target if assigned else None
    return [
        Version(version, tag.target, tag.tag_datetime, tag.target == champion, _metrics(tag.target))
        for version, tag in active.items()
    ]


def state() -> str:
    """Give what changes with every tag of the registry; nothing outside a Git repository."""
    with suppress(PipelineError):
        return git.tag_objects(*ALL)
    return ""


def next_version() -> str:
    """Give the version after all that ever had a tag, of whatever kind: a tag is never moved."""
    from gto.tag import parse_name
    from semver import VersionInfo

    taken = [parse_name(tag, raise_on_fail=False).get("version") for tag in git.tags(*ALL)]
    latest = max((VersionInfo.parse(version.removeprefix("v")) for version in taken if version), default=None)
    return f"v{latest.bump_minor()}" if latest else FIRST_VERSION


def registration(version: str, commit: str, message: str) -> git.Tag:
    """Give the tag that makes a commit a version."""
    from gto.constants import Action
    from gto.tag import name_tag

    return git.Tag(name_tag(Action.REGISTER, NAME, version=version, simple=True), commit, message)


def assignment(version: str, commit: str) -> git.Tag:
    """Give the tag that makes a version's commit the champion."""
    from gto.constants import Action
    from gto.tag import name_tag

    with _scm() as scm:
        return git.Tag(name_tag(Action.ASSIGN, NAME, stage=CHAMPION, scm=scm), commit, f"{version} is the {CHAMPION}")


def add(*tags: git.Tag) -> None:
    """Make tags, all of them or none, younger than all others of the registry, by whose time GTO and DVC go."""
    git.tag(*tags, after=ALL)


def _metrics(commit: str) -> dict[str, Any]:
    try:
        metrics = json.loads(git.show(commit, layout.METRICS) or "{}")
    except ValueError:
        return {}
    is_ours = isinstance(metrics, dict) and {"dataset", "test_set"} <= metrics.keys()
    return metrics if is_ours and isinstance(metrics.get("accuracy"), float | int) else {}


@contextmanager
def _scm() -> "Iterator[Git]":
    from scmrepo.git import Git

    scm = Git(".")
    try:
        yield scm
    finally:
        scm.close()
