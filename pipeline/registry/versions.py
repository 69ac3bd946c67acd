"""Versions and their champion: Git tags as GTO reads them, made by Git, which signs them."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline import exclusive, git, layout
from pipeline.errors import PipelineError
from pipeline.names import shown

if TYPE_CHECKING:
    from gto.base import Artifact
    from scmrepo.git import Git

NAME = "digit-cnn"
CHAMPION = "champion"
FIRST_VERSION = "v1.0.0"
GATE, HAND = "gate", "hand"
# These lines of a tag's message are read back.
VERDICT, PROMOTED_BY, BECAUSE = "Verdict", "Promoted-by", "Because"
ALL = (f"{NAME}@*", f"{NAME}#*")


@dataclass(frozen=True)
class Version:
    """A registered model: its version, the commit that holds everything about it, and the metrics it was tested with.

    ``metrics`` is empty if somebody else tagged a commit without metrics of ours. ``verdict`` is the gate's, None where the
    gate was not asked.
    """

    version: str
    commit: str
    registered_at: datetime
    registered_by: str
    is_champion: bool
    metrics: dict[str, Any]
    verdict: dict[str, Any] | None

    @property
    def dataset(self) -> str:
        """Name the data set that it was trained and tested on."""
        return str(self.metrics.get("dataset", "unknown"))


@dataclass(frozen=True)
class Reign:
    """A time in which a version was champion: who made it so and how (by the ``gate``, by ``hand``, or by ``gto``), and why.

    ``until`` is None for the champion of today.
    """

    version: str
    since: datetime
    until: datetime | None
    by: str
    how: str
    because: str


def registered() -> list[Version]:
    """List the registered versions, oldest first, as ``gto show`` has them. Raises PipelineError outside a Git repository."""
    from gto.constants import VersionSort

    states = list(_states())
    artifact = states[-1][0] if states else None
    if artifact is None or not artifact.is_active:
        return []
    champion = _champion(artifact)
    return [
        Version(
            one.version,
            one.commit_hexsha,
            one.created_at.astimezone(),
            one.author,
            one.version == champion,
            _metrics(one.commit_hexsha),
            _verdict(one.message),
        )
        for one in artifact.get_versions(sort=VersionSort.Timestamp, ascending=True)
    ]


def history() -> list[Reign]:
    """List who was champion when, oldest first."""
    reigns: list[Reign] = []
    current = None
    for artifact, tag in _states():
        champion = _champion(artifact)
        if champion == current:
            continue
        when = datetime.fromtimestamp(tag.tag_time).astimezone()
        if current:
            reigns[-1] = replace(reigns[-1], until=when)
        if champion:
            how = _line(tag.message, PROMOTED_BY) or "gto"
            reigns.append(Reign(champion, when, None, tag.tagger_name, how, _line(tag.message, BECAUSE) or ""))
        current = champion
    return reigns


def _states() -> "Iterator[tuple[Artifact, Any]]":
    """Give GTO's state of the artifact after each tag, oldest first, and that tag."""
    from gto.base import Artifact
    from gto.constants import Action
    from gto.tag import find, index_tag, parse_name

    git.require_commit()
    with _scm() as scm:
        tags = find(name=NAME, scm=scm)
    # Within a second, GTO takes a tag that removes something for the later one.
    tags.sort(key=lambda tag: (tag.tag_time, parse_name(tag.name)["action"] in (Action.UNASSIGN, Action.DEREGISTER)))
    artifact = Artifact(artifact=NAME, versions=[])
    for tag in tags:
        yield index_tag(artifact, tag), tag


def _champion(artifact: "Artifact") -> str | None:
    """Give the version that is champion."""
    from gto.constants import VersionSort

    assigned = artifact.get_vstages(registered_only=True, sort=VersionSort.Timestamp).get(CHAMPION)
    return str(assigned[0].version) if assigned and artifact.is_active else None


def require_repository() -> None:
    """Raise PipelineError where no version could be tagged: without a Git repository, a commit, or an identity."""
    git.require_commit()
    git.require_identity()


def find(selector: str) -> Version:
    """Give the ``champion``, or a registered version such as ``v1.2.0``. Raises PipelineError for one that is not there."""
    known = registered()
    chosen = next((one for one in known if one.version == selector or (selector == CHAMPION and one.is_champion)), None)
    if chosen:
        return chosen
    if not known and (words := left_out()):
        raise PipelineError(f"{shown(selector)}: {words} Where there are none, train and register a model: `make run`.")
    if selector == CHAMPION:
        raise PipelineError("no champion yet. Train and register a model: `make run`, or `dvc repro` and `digits register`.")
    names = ", ".join(one.version for one in known) or "none yet"
    raise PipelineError(f"{shown(selector)}: no such version of {NAME}. Registered: {names}. See `digits models`.")


def state() -> str:
    """Give a text that changes with every tag of the registry; it is empty outside a Git repository."""
    with suppress(PipelineError):
        return git.tag_list(*ALL, form="%(objectname) %(refname)")
    return ""


def tag_names() -> list[str]:
    """List the names of the registry's tags."""
    return git.tag_list(*ALL).split()


def next_version(tags: Iterable[str] | None = None) -> str:
    """Give the version after all those that any of some tags ever named, by default those here: a tag is never moved."""
    from gto.tag import parse_name
    from semver import VersionInfo

    named = tag_names() if tags is None else tags
    taken = [parse_name(tag, raise_on_fail=False).get("version") for tag in named]
    latest = max((VersionInfo.parse(version.removeprefix("v")) for version in taken if version), default=None)
    return f"v{latest.bump_minor()}" if latest else FIRST_VERSION


def registration(version: str, commit: str, verdict: dict[str, Any]) -> git.Tag:
    """Give the tag that makes a commit a version. Its message is the gate's verdict, in words and as a line of JSON."""
    from gto.constants import Action
    from gto.tag import name_tag

    message = f"{verdict['words']}\n\n{VERDICT}: {json.dumps(verdict)}\n"
    return git.Tag(name_tag(Action.REGISTER, NAME, version=version, simple=True), commit, message)


def assignment(version: str, commit: str, how: str, because: str) -> git.Tag:
    """Give the tag that makes a version's commit the champion, by the ``gate`` or by ``hand``, with the reason."""
    from gto.constants import Action
    from gto.tag import name_tag

    message = f"{version} is the {CHAMPION}\n\n{PROMOTED_BY}: {how}\n{BECAUSE}: {' '.join(because.split())}\n"
    with _scm() as scm:
        return git.Tag(name_tag(Action.ASSIGN, NAME, stage=CHAMPION, scm=scm), commit, message)


def left_out() -> str:
    """Say that a clone was made without the registry's tags, and how to fetch them; an empty text where it has any."""
    fetch = "" if git.tag_list(*ALL) else git.fetch_of_tags()
    return f"this clone was made without the tags that are the registry: `{fetch}` fetches them." if fetch else ""


def changing(say: git.Say, seconds: float = math.inf) -> AbstractContextManager[None]:
    """Keep every other process from changing the registry meanwhile. Raises PipelineError if one does so for ``seconds``."""
    other = f"another command that changes the registry of {NAME}"
    return exclusive.awaited(git.common_folder() / f"{NAME}.lock", say, other, seconds)


def judging(say: git.Say) -> AbstractContextManager[None]:
    """Keep every other process from judging a model meanwhile: all replays write into one folder."""
    return exclusive.awaited(git.common_folder() / f"{NAME}-register.lock", say, f"another `digits register` of {NAME}")


def _line(message: str, key: str) -> str | None:
    found = re.search(f"^{key}: (.*)$", message, re.MULTILINE)
    return found[1] if found else None


def _verdict(message: str) -> dict[str, Any] | None:
    try:
        verdict = json.loads(_line(message, VERDICT) or "null")
    except ValueError:
        return None
    return verdict if isinstance(verdict, dict) else None


def _metrics(commit: str) -> dict[str, Any]:
    metrics = git.show_json(commit, layout.METRICS)
    is_ours = {"dataset", "test_set"} <= metrics.keys() and isinstance(metrics.get("accuracy"), float | int)
    return metrics if is_ours else {}


@contextmanager
def _scm() -> "Iterator[Git]":
    from scmrepo.git import Git

    scm = Git(".")
    try:
        yield scm
    finally:
        scm.close()
