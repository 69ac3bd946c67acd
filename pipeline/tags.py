"""The registry's Git tags: versions and their champion, as GTO writes and reads them."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline import git, layout
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from scmrepo.git import Git

NAME = "digit-cnn"
CHAMPION = "champion"
FIRST_VERSION = "v1.0.0"
GATE, HAND = "gate", "hand"
# Lines of a tag's message that are read back.
VERDICT, PROMOTED_BY, BECAUSE = "Verdict", "Promoted-by", "Because"
ALL = (f"{NAME}@*", f"{NAME}#*")


@dataclass(frozen=True)
class Version:
    """A registered model: its version, the commit that holds everything about it, and the metrics it was tested with.

    ``metrics`` is empty for a tag that somebody else put on a commit without any that say how good the model is; ``verdict``
    is the gate's, None where the gate was not asked.
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
        """What it was trained and tested on."""
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


# What a tag of GTO's says, and the tag.
Event = tuple[dict[str, Any], Any]


def versions() -> list[Version]:
    """List the registered versions, oldest first, as ``gto show`` has them. Raises PipelineError outside a Git repository.

    An event of GTO's stands until a later one of its kind: what was deprecated is not listed, or is champion no more.
    """
    active, champion = _standing(_events())
    return [
        Version(
            version,
            tag.target,
            _time(tag),
            tag.tagger_name,
            tag.target == champion,
            _metrics(tag.target),
            _verdict(tag.message),
        )
        for version, tag in active.items()
    ]


def history() -> list[Reign]:
    """List who was champion when, oldest first."""
    events = _events()
    names = {tag.target: parsed["version"] for parsed, tag in events if "version" in parsed}
    reigns: list[Reign] = []
    current = None
    for number, (_, tag) in enumerate(events, 1):
        _, champion = _standing(events[:number])
        champion = champion if champion in names else None  # the tag of its version was deleted
        if champion == current:
            continue
        if current:
            reigns[-1] = replace(reigns[-1], until=_time(tag))
        if champion:
            how = _line(tag.message, PROMOTED_BY) or "gto"
            because = _line(tag.message, BECAUSE) or ""
            reigns.append(Reign(names[champion], _time(tag), None, tag.tagger_name, how, because))
        current = champion
    return reigns


def _events() -> list[Event]:
    """Read the tags, oldest first."""
    from gto.constants import Action
    from gto.tag import find, parse_name

    git.require_commit()
    with _scm() as scm:
        events = [(parse_name(tag.name), tag) for tag in find(name=NAME, scm=scm)]
    # Within a second GTO takes what takes away for the later one.
    events.sort(key=lambda event: (event[1].tag_time, event[0]["action"] in (Action.UNASSIGN, Action.DEREGISTER)))
    return events


def _standing(events: list[Event]) -> tuple[dict[str, Any], str | None]:
    """Give the tags of the versions that stand after some events, and the commit of the champion."""
    from gto.constants import Action

    if not events or events[-1][0]["action"] == Action.DEPRECATE:
        return {}, None
    registrations = {parsed["version"]: (parsed["action"], tag) for parsed, tag in events if "version" in parsed}
    assignments = {tag.target: (parsed["action"], tag) for parsed, tag in events if parsed.get("stage") == CHAMPION}
    active = {version: tag for version, (action, tag) in registrations.items() if action == Action.REGISTER}
    # GTO shows no stage of a version that was deprecated, though the stage was never taken from it.
    gone = {tag.target for _, tag in registrations.values()} - {tag.target for tag in active.values()}
    assigned = [tag for action, tag in assignments.values() if action == Action.ASSIGN and tag.target not in gone]
    champion = max(assigned, key=lambda tag: tag.tag_time).target if assigned else None
    return active, champion


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


def registration(version: str, commit: str, verdict: dict[str, Any]) -> git.Tag:
    """Give the tag that makes a commit a version, with the gate's verdict in ``words`` for people, and whole in a line."""
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


def add(*tags: git.Tag) -> None:
    """Make tags, all of them or none, younger than all others of the registry, by whose time GTO and DVC go."""
    if words := left_out():
        print(f"warning: {words} Another model may have that version elsewhere.", file=sys.stderr)
    git.tag(*tags, after=ALL)


def left_out() -> str:
    """Say that a clone was made without the registry's tags, and how to fetch them; nothing where it has any."""
    fetch = "" if git.tags(*ALL) else git.fetch_of_tags()
    return f"this clone was made without the tags that are the registry: `{fetch}` fetches them." if fetch else ""


def alone() -> AbstractContextManager[None]:
    """Keep every other process from changing the registry meanwhile."""
    return git.alone(NAME, f"another command that changes the registry of {NAME}")


def judging() -> AbstractContextManager[None]:
    """Keep every other process from judging a model meanwhile: what is replayed goes into one folder."""
    return git.alone(f"{NAME}-register", f"another `digits register` of {NAME}")


def _time(tag: Any) -> datetime:
    return datetime.fromtimestamp(tag.tag_time).astimezone()


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
