"""What a registered version holds: its model, its answers and their hashes, from DVC's cache or its remote."""

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import atomic, git, layout
from pipeline.calling import RemoteError
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.registry import project, versions
from pipeline.registry.project import FOLDER
from pipeline.registry.remotes import objects, team
from pipeline.registry.versions import CHAMPION, NAME, Version

if TYPE_CHECKING:
    from pipeline.registry.gate import Answers

# DVC's folder for temporary files, which Git ignores.
KEPT = project.DVC / "tmp"
PARTS = (layout.MODEL / layout.SCORING_MODEL, layout.MODEL / layout.MODEL_CARD)
# Each of these errors means that something is missing from DVC's cache, or damaged there.
NOT_THERE = (OSError, ValueError, TypeError, KeyError)


class DamagedError(ValueError):
    """A file in DVC's cache has other bytes than its name says."""


@dataclass(frozen=True)
class ScoringModel:
    """A registered model, ready to score: ``content`` is a LiteRT file whose hash the registry vouches for.

    Its logits are divided by ``temperature`` before the softmax. ``remark``: what a person should know of how it was chosen.
    ``profile``: what is usual for it, as ``quality.profile`` reads it; empty where there is none.
    """

    version: str
    content: bytes
    sha256: str
    dataset: str
    temperature: float
    remark: str = ""
    profile: bytes = b""


def of_workspace(version: str) -> ScoringModel:
    """Give the model that the stages left, as scoring will get it once it is registered as ``version``."""
    contents = [part.read_bytes() for part in PARTS]
    profile = layout.PROFILE.read_bytes() if layout.PROFILE.exists() else b""
    return _scoring_model(
        version, json.loads(layout.METRICS.read_text(encoding="utf-8"))["dataset"], *contents, profile=profile
    )


def answers(version: Version) -> "Answers":
    """Give a version's answers to its test images. Raises PipelineError where neither cache nor remote has them."""
    from pipeline.registry.gate import Answers

    (content,) = read(version, layout.PREDICTIONS)
    try:
        return Answers.of_csv(content)
    except (ValueError, KeyError):
        raise PipelineError(f"{NAME} {version.version}: {layout.PREDICTIONS} is not as `evaluate` writes it.") from None


def load(selector: str, seconds: float = objects.MOST_SECONDS) -> ScoringModel:
    """Give the scoring model of ``champion`` or of a version such as ``v1.2.0``. Raises PipelineError.

    Its bytes come from DVC's cache, or within some ``seconds`` from a team's remote, and must have the hash that the version's
    ``dvc.lock`` names. GTO takes half a second to find it, so that a file remembers the place until a tag of the registry
    changes.
    """
    state = versions.state()
    return _recall(state, selector) or _fetch(state, selector, seconds)


def last_champion() -> ScoringModel | None:
    """Give the champion that was loaded last in this clone, whoever is champion by now; None where it is not here any more."""
    try:
        return _recall(json.loads(_place(CHAMPION).read_bytes())["state"], CHAMPION)
    except NOT_THERE:
        return None


def recorded_hash(lock: str, output: Path) -> str | None:
    """Find the hash of an output in the text of a ``dvc.lock``; None where it names none."""
    return _hashes(lock).get(output.as_posix())


def _hashes(lock: str) -> dict[str, str]:
    """Give the hash of each output in the text of a ``dvc.lock``, by its path."""
    stages = (YAML(typ="safe").load(lock) or {}).get("stages", {})
    return {out["path"]: str(out["md5"]) for stage in stages.values() for out in stage.get("outs", ())}


def recorded_input(lock: str, stage: str, path: Path) -> str | None:
    """Find the hash of what a stage read last in the text of a ``dvc.lock``; None where it names none."""
    deps = ((YAML(typ="safe").load(lock) or {}).get("stages", {}).get(stage) or {}).get("deps", ())
    return next((str(dep["md5"]) for dep in deps if dep["path"] == path.as_posix()), None)


def md5(content: bytes) -> str:
    """Hash the bytes of a file as DVC does."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def recorded_model(commit: str) -> str | None:
    """Give the hash of the model that the ``dvc.lock`` of a commit, or of a tag, names."""
    return _recorded(commit, layout.MODEL)


def _recall(state: str, selector: str) -> ScoringModel | None:
    """Read a model from DVC's cache without DVC, if all of it is there and is what it should be."""
    try:
        kept = json.loads(_place(selector).read_bytes())
        version, cache = kept["version"], Path(kept["cache"])
        if kept["state"] != state or selector not in (version, CHAMPION):
            return None
        hashes = _hashes_of(f"{NAME}@{version}")
        parts, profile = _from_cache(cache, hashes[layout.MODEL.as_posix()], *PARTS), b""
        with suppress(*NOT_THERE):
            (profile,) = _from_cache(cache, hashes[layout.PROFILE.as_posix()])
        return _scoring_model(version, kept["dataset"], *parts, profile=profile)
    except NOT_THERE:
        return None


def _from_cache(cache: Path, hashed: str, *places: Path) -> list[bytes]:
    """Read the file that has a hash, or of the folder that has it some files. Raises one of NOT_THERE."""
    content = _cached(cache, hashed)
    if not hashed.endswith(FOLDER):
        return [content]
    hashes = {one["relpath"]: one["md5"] for one in json.loads(content)}
    return [_cached(cache, hashes[place.name]) for place in places]


def _cached(cache: Path, hashed: str) -> bytes:
    """Read the file that has a hash from DVC's cache."""
    place = cache / hashed[:2] / hashed[2:]
    content = place.read_bytes()
    if (found := md5(content)) != hashed.removesuffix(FOLDER):
        raise DamagedError(f"{shown(place)} has the md5 {found[:8]}…, its dvc.lock says {hashed[:8]}…: refused. Delete it")
    return content


def _fetch(state: str, selector: str, seconds: float) -> ScoringModel:
    chosen = versions.find(selector)
    end = time.monotonic() + seconds
    contents = read(chosen, *PARTS, seconds=seconds)
    profile = b""
    if layout.PROFILE.as_posix() in _hashes_of(chosen.commit):
        with suppress(PipelineError):  # a batch is scored without it too, and says so
            (profile,) = read(chosen, layout.PROFILE, seconds=max(0, end - time.monotonic()))
    kept = {"state": state, "version": chosen.version, "dataset": chosen.dataset, "cache": str(project.cache())}
    with suppress(PipelineError):  # without the file it works too, but slower
        atomic.write_text(_place(selector), json.dumps(kept))
    return _scoring_model(chosen.version, chosen.dataset, *contents, profile=profile)


def _place(selector: str) -> Path:
    return KEPT / f"{NAME}-{selector}.json"


def _scoring_model(version: str, dataset: str, content: bytes, card: bytes, *, profile: bytes) -> ScoringModel:
    return ScoringModel(
        version=version,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        dataset=dataset,
        temperature=float(json.loads(card).get("temperature", 1)),
        profile=profile,
    )


def read(version: Version, *places: Path, seconds: float = objects.MOST_SECONDS) -> list[bytes]:
    """Read files of one output of a version: from DVC's cache, or by way of it from a team's remote. Raises PipelineError."""
    output = layout.MODEL if layout.MODEL in places[0].parents else places[0]
    git.complete(version.commit, seconds=seconds)
    recorded, fault = _recorded(version.commit, output), ""
    with suppress(*NOT_THERE):
        return _from_cache(project.cache(), str(recorded), *places)
    if recorded and (clone := team.here()):
        try:
            objects.fetch(clone, recorded, [place.name for place in places], seconds)
        except RemoteError as error:
            fault = str(error)
    try:
        return _from_cache(project.cache(), str(recorded), *places)
    except NOT_THERE as error:
        reason = fault or (str(error) if isinstance(error, DamagedError) else "DVC's cache lacks them")
        named = " and ".join(place.as_posix() for place in places)
        raise PipelineError(
            f"{NAME} {version.version}: {named} cannot be read: {reason}. Fetch them with `dvc fetch --all-tags {output}`; "
            f"where no remote has them, `digits models {version.version}` shows how to make it again."
        ) from error


def has(version: Version, output: Path) -> bool:
    """Tell whether a version was made with a stage that writes this."""
    return _recorded(version.commit, output) is not None


def _recorded(commit: str, output: Path) -> str | None:
    return _hashes_of(commit).get(output.as_posix())


def _hashes_of(commit: str) -> dict[str, str]:
    try:
        return _hashes(git.show(commit, layout.DVC_LOCK) or "")
    except (YAMLError, AttributeError, KeyError, TypeError):  # no dvc.lock as DVC writes it
        return {}
