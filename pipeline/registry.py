"""The model registry: versions and the champion are Git tags by GTO's conventions, the bytes lie in DVC."""

import base64
import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from pipeline import atomic, gate, git, layout, lock, snapshot, tags
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Register
from pipeline.tags import CHAMPION, NAME, Version, versions

# DVC's own folder for what need not last, which Git leaves out.
KEPT = Path(".dvc/tmp")


class GateRefusal(PipelineError):
    """The model misses a bound of the gate and was not registered."""


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


def register(bounds: Register) -> Registration:
    """Register the model in the workspace as the next version, and as champion if it beats the champion.

    The user's branch, index and files stay as they are. Raises GateRefusal when it misses a bound, and PipelineError when
    the workspace is not what ``dvc repro`` left.
    """
    require_repository()
    snapshot.require_clean()
    metrics = json.loads(layout.METRICS.read_text(encoding="utf-8"))
    known = versions()
    model = lock.recorded_hash(layout.LOCK.read_text(encoding="utf-8"), layout.MODEL)
    for version in known:
        if _recorded_model(version.commit) == model:
            message = f"{NAME} {version.version} is this very model already; nothing was changed"
            return Registration(version.version, is_new=False, is_champion=version.is_champion, message=message)

    checks = gate.check(metrics, getattr(bounds, metrics["dataset"]))
    missed = "; ".join(str(check) for check in checks if not check.passed)
    if missed:
        raise GateRefusal(f"not registered: {missed}. Train a better model, or change `register` in params.yaml.")
    champion = next((version for version in known if version.is_champion), None)
    comparison = gate.compare(metrics, champion.metrics if champion else None)
    new = tags.next_version()
    commit = snapshot.take(f"Snapshot of the workspace for {NAME}")
    verdict = _verdict(metrics, checks, comparison)
    tags.add(tags.registration(new, commit, verdict), *([tags.assignment(new, commit)] if comparison.promotes else []))
    return Registration(new, is_new=True, is_champion=comparison.promotes, message=f"{NAME} {new}\n{verdict}")


def promote(version: str) -> bool:
    """Make a registered version the champion. Returns False when it is that already. Raises PipelineError if unknown."""
    require_repository()
    known = {one.version: one for one in versions()}
    if version not in known:
        raise _unknown(version, list(known))
    if known[version].is_champion:
        return False
    tags.add(tags.assignment(version, known[version].commit))
    return True


def load(selector: str) -> ScoringModel:
    """Give the scoring model of ``champion`` or of a version such as ``v1.2.0``. Raises PipelineError.

    Its bytes come from DVC's cache, or from the remote, and must have the hash that the version's ``dvc.lock`` names. GTO and
    DVC take a second to find them: what they found is kept for as long as the registry's tags are the same.
    """
    state = tags.state()
    model = _recall(state, selector)
    if model is None:
        model = _fetch(selector)
        _remember(state, selector, model)
    return model


def _recall(state: str, selector: str) -> ScoringModel | None:
    try:
        kept = json.loads(_place(selector).read_bytes())
        is_current = kept["state"] == state
        model = ScoringModel(**kept["model"] | {"content": base64.b64decode(kept["model"]["content"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return model if is_current and hashlib.sha256(model.content).hexdigest() == model.sha256 else None


def _remember(state: str, selector: str, model: ScoringModel) -> None:
    values = asdict(model) | {"content": base64.b64encode(model.content).decode()}
    with suppress(PipelineError):  # a project that cannot be written to is slower
        atomic.write_text(_place(selector), json.dumps({"state": state, "model": values}))


def _place(selector: str) -> Path:
    return KEPT / f"{NAME}-{selector}.json"


def _fetch(selector: str) -> ScoringModel:
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
        f"{shown(version)}: no such version of {NAME}. Registered: {', '.join(known) or 'none yet'}. See `digits models`."
    )


def _verdict(metrics: dict[str, Any], checks: list[gate.Check], comparison: gate.Comparison) -> str:
    lines = [f"dataset: {metrics['dataset']}, test set {metrics['test_set']}", *map(str, checks)]
    lines.append(f"{CHAMPION if comparison.promotes else f'not {CHAMPION}'}: {comparison.reason}")
    return "\n".join(lines)


def _recorded_model(commit: str) -> str | None:
    try:
        return lock.recorded_hash(git.show(commit, layout.LOCK) or "", layout.MODEL)
    except (YAMLError, AttributeError, KeyError, TypeError):  # no dvc.lock as DVC writes it
        return None
