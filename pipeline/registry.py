"""The model registry: versions and the champion are Git tags by GTO's conventions, the bytes lie in DVC."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline import gate, git, layout, lock, snapshot
from pipeline.errors import PipelineError
from pipeline.params import Register

if TYPE_CHECKING:
    from scmrepo.git import Git

NAME = "digit-cnn"
CHAMPION = "champion"
FIRST_VERSION = "v1.0.0"


class GateRefusal(PipelineError):
    """The model misses a bound of the gate and was not registered."""


@dataclass(frozen=True)
class Version:
    """A registered model: its version, the commit that holds everything about it, and the metrics it was tested with.

    ``metrics`` is empty for a tag that somebody else put on a commit without any.
    """

    version: str
    commit: str
    registered_at: datetime
    is_champion: bool
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Registration:
    """What ``register`` did: the version, whether it was there before, and the words for a person."""

    version: str
    is_new: bool
    is_champion: bool
    message: str


@dataclass(frozen=True)
class ScoringModel:
    """A registered model, ready to score: ``content`` is a LiteRT file whose hash the registry vouches for.

    Its logits are divided by ``temperature`` before the softmax.
    """

    version: str
    content: bytes
    sha256: str
    dataset: str
    temperature: float


def require_repository() -> None:
    """Raise PipelineError where no version could be tagged: no Git repository, no commit, no identity."""
    git.require_commit()
    git.require_identity()


def versions() -> list[Version]:
    """List the registered versions, oldest first. Raises PipelineError outside a Git repository."""
    from gto.constants import Action
    from gto.tag import find, parse_name

    git.require_commit()
    with _scm() as scm:
        tags = find(action=Action.REGISTER, name=NAME, scm=scm)
        assignments = find(action=Action.ASSIGN, name=NAME, stage=CHAMPION, scm=scm)
    # The last assignment in time, as `dvc artifacts get --stage` has it.
    champion = assignments[-1].target if assignments else None
    return [
        Version(
            version=parse_name(tag.name)["version"],
            commit=tag.target,
            registered_at=tag.tag_datetime,
            is_champion=tag.target == champion,
            metrics=json.loads(git.show(tag.target, layout.METRICS) or "{}"),
        )
        for tag in tags
    ]


def register(bounds: Register) -> Registration:
    """Register the model in the workspace as the next version, and as champion if it beats the champion.

    The user's branch, index and files stay as they are. Raises GateRefusal when it misses a bound, and PipelineError when
    the workspace is not what ``dvc repro`` left.
    """
    from gto.constants import Action
    from gto.tag import name_tag

    require_repository()
    snapshot.require_clean()
    metrics = json.loads(layout.METRICS.read_text(encoding="utf-8"))
    known = versions()
    model = lock.recorded_hash(layout.LOCK.read_text(encoding="utf-8"), layout.MODEL)
    for version in known:
        if lock.recorded_hash(git.show(version.commit, layout.LOCK) or "", layout.MODEL) == model:
            message = f"{NAME} {version.version} is this very model already; nothing was changed"
            return Registration(version.version, is_new=False, is_champion=version.is_champion, message=message)

    checks = gate.check(metrics, getattr(bounds, metrics["dataset"]))
    missed = "; ".join(str(check) for check in checks if not check.passed)
    if missed:
        raise GateRefusal(f"not registered: {missed}. Train a better model, or change `register` in params.yaml.")
    champion = next((version for version in known if version.is_champion), None)
    comparison = gate.compare(metrics, champion.metrics if champion else None)
    new = _next_version(known)
    commit = snapshot.take(f"Snapshot of the workspace for {NAME}")
    verdict = _verdict(metrics, checks, comparison)
    registration = git.Tag(name_tag(Action.REGISTER, NAME, version=new, simple=True), commit, verdict)
    git.tag(registration, *([_assignment(new, commit)] if comparison.promotes else []))
    return Registration(new, is_new=True, is_champion=comparison.promotes, message=f"{NAME} {new}\n{verdict}")


def promote(version: str) -> bool:
    """Make a registered version the champion. Returns False when it is that already. Raises PipelineError if unknown."""
    require_repository()
    known = {one.version: one for one in versions()}
    if version not in known:
        raise _unknown(version, list(known))
    if known[version].is_champion:
        return False
    git.tag(_assignment(version, known[version].commit))
    return True


def load(selector: str) -> ScoringModel:
    """Fetch the scoring model of ``champion`` or of a version such as ``v1.2.0``. Raises PipelineError.

    Its bytes come from DVC's cache, or from the remote, and must have the hash that the version's ``dvc.lock`` names.
    """
    known = versions()
    chosen = next((one for one in known if one.version == selector or (selector == CHAMPION and one.is_champion)), None)
    if chosen is None and selector == CHAMPION:
        raise PipelineError("no champion yet. Train and register a model: `make run`, or `dvc repro` and `digits register`.")
    if chosen is None:
        raise _unknown(selector, [one.version for one in known])
    content, card = _read_verified(chosen, layout.SCORING_MODEL, layout.MODEL_CARD)
    return ScoringModel(
        version=chosen.version,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        dataset=chosen.metrics.get("dataset", "an unknown data set"),
        temperature=float(json.loads(card).get("temperature", 1)),
    )


def _read_verified(version: Version, *names: str) -> list[bytes]:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    paths = [f"{layout.MODEL.as_posix()}/{name}" for name in names]
    try:
        files = DVCFileSystem(rev=version.commit)
        read = [(path, files.info(path)["md5"], bytes(files.cat_file(path))) for path in paths]
    except (DvcException, DataIndexDirError, OSError) as error:
        raise PipelineError(
            f"{NAME} {version.version}: {' and '.join(paths)} cannot be read: {error}. Fetch them with "
            f"`dvc fetch --all-tags {layout.MODEL}`, or score with another --model."
        ) from error
    for path, expected, content in read:
        found = lock.md5(content)
        if found != expected:
            raise PipelineError(
                f"{NAME} {version.version}: {path} has the md5 {found[:8]}…, its dvc.lock says {expected[:8]}…: refused. "
                f"Delete the damaged file from DVC's cache and run `dvc fetch --all-tags {layout.MODEL}`."
            )
    return [content for _, _, content in read]


def _unknown(version: str, known: list[str]) -> PipelineError:
    return PipelineError(
        f"{version}: no such version of {NAME}. Registered: {', '.join(known) or 'none yet'}. See `digits models`."
    )


def _assignment(version: str, commit: str) -> git.Tag:
    from gto.constants import Action
    from gto.tag import name_tag

    with _scm() as scm:
        return git.Tag(name_tag(Action.ASSIGN, NAME, stage=CHAMPION, scm=scm), commit, f"{version} is the {CHAMPION}")


def _verdict(metrics: dict[str, Any], checks: list[gate.Check], comparison: gate.Comparison) -> str:
    lines = [f"dataset: {metrics['dataset']}, test set {metrics['test_set']}", *map(str, checks)]
    lines.append(f"{CHAMPION if comparison.promotes else f'not {CHAMPION}'}: {comparison.reason}")
    return "\n".join(lines)


def _next_version(known: list[Version]) -> str:
    from semver import VersionInfo

    latest = max((VersionInfo.parse(one.version.removeprefix("v")) for one in known), default=None)
    return f"v{latest.bump_minor()}" if latest else FIRST_VERSION


@contextmanager
def _scm() -> "Iterator[Git]":
    from scmrepo.git import Git

    scm = Git(".")
    try:
        yield scm
    finally:
        scm.close()
