"""What a registered version holds: its model, its answers and their hashes, from DVC's cache or its remote."""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import atomic, git, layout
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.registry import versions
from pipeline.registry.versions import CHAMPION, NAME, Version

if TYPE_CHECKING:
    from dvc.repo import Repo

    from pipeline.registry.gate import Answers

DVC = Path(".dvc")
# DVC's folder for temporary files, which Git ignores.
KEPT = DVC / "tmp"
PARTS = (layout.MODEL / layout.SCORING_MODEL, layout.MODEL / layout.MODEL_CARD)
# If the list of a folder's files is missing here, DVC frees the others only with force.
NAMED = {"all_tags": True, "all_branches": True, "all_experiments": True, "force": True}
# Each of these errors means that something is missing from DVC's cache, or damaged there.
NOT_THERE = (OSError, ValueError, TypeError, KeyError)


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


def of_workspace(version: str) -> ScoringModel:
    """Give the model that the stages left, as scoring will get it once it is registered as ``version``."""
    contents = [part.read_bytes() for part in PARTS]
    return _scoring_model(version, json.loads(layout.METRICS.read_text(encoding="utf-8"))["dataset"], *contents)


def answers(version: Version) -> "Answers":
    """Give a version's answers to its test images. Raises PipelineError where neither cache nor remote has them."""
    from pipeline.registry.gate import Answers

    (content,) = _read_verified(version, layout.PREDICTIONS)
    try:
        return Answers.of_csv(content)
    except (ValueError, KeyError):
        raise PipelineError(f"{NAME} {version.version}: {layout.PREDICTIONS} is not as `evaluate` writes it.") from None


def load(selector: str) -> ScoringModel:
    """Give the scoring model of ``champion`` or of a version such as ``v1.2.0``. Raises PipelineError.

    Its bytes come from DVC's cache, or by DVC from the remote, and must have the hash that the version's ``dvc.lock`` names.
    GTO takes half a second to find it, so that a file remembers the place until a tag of the registry changes.
    """
    state = versions.state()
    return _recall(state, selector) or _fetch(state, selector)


def recorded_hash(lock: str, output: Path) -> str | None:
    """Find the hash of an output in the text of a ``dvc.lock``; None where it names none."""
    stages = (YAML(typ="safe").load(lock) or {}).get("stages", {})
    outs = (out for stage in stages.values() for out in stage.get("outs", ()))
    return next((str(out["md5"]) for out in outs if out["path"] == output.as_posix()), None)


def recorded_input(lock: str, stage: str, path: Path) -> str | None:
    """Find the hash of what a stage read last in the text of a ``dvc.lock``; None where it names none."""
    deps = ((YAML(typ="safe").load(lock) or {}).get("stages", {}).get(stage) or {}).get("deps", ())
    return next((str(dep["md5"]) for dep in deps if dep["path"] == path.as_posix()), None)


def md5(content: bytes) -> str:
    """Hash the bytes of a file as DVC does."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def recorded_model(commit: str) -> str | None:
    """Give the hash of the model that the ``dvc.lock`` of a commit, or of a tag, names."""
    try:
        return recorded_hash(git.show(commit, layout.DVC_LOCK) or "", layout.MODEL)
    except (YAMLError, AttributeError, KeyError, TypeError):  # no dvc.lock as DVC writes it
        return None


def _recall(state: str, selector: str) -> ScoringModel | None:
    """Read a model from DVC's cache without DVC, if all of it is there and is what it should be."""
    try:
        kept = json.loads(_place(selector).read_bytes())
        version, cache = kept["version"], Path(kept["cache"])
        if kept["state"] != state or selector not in (version, CHAMPION):
            return None
        return _scoring_model(version, kept["dataset"], *_from_cache(cache, f"{NAME}@{version}"))
    except NOT_THERE:
        return None


def _from_cache(cache: Path, commit: str) -> list[bytes]:
    """Read a scoring model and its card as the ``dvc.lock`` of a commit, or of a tag, names them. Raises one of NOT_THERE."""
    folder = json.loads(_cached(cache, str(recorded_model(commit))))
    hashes = {one["relpath"]: one["md5"] for one in folder}
    return [_cached(cache, hashes[part.name]) for part in PARTS]


def _cached(cache: Path, hashed: str) -> bytes:
    """Read the file that has a hash from DVC's cache."""
    content = (cache / hashed[:2] / hashed[2:]).read_bytes()
    if md5(content) != hashed.removesuffix(".dir"):
        raise ValueError(hashed)
    return content


def _fetch(state: str, selector: str) -> ScoringModel:
    from dvc.config import Config, ConfigError

    chosen = versions.find(selector)
    try:
        cache = Path(Config(DVC)["cache"].get("dir", DVC / "cache"), "files/md5").resolve()
        contents = _from_cache(cache, chosen.commit)
    except (ConfigError, *NOT_THERE):
        return _scoring_model(chosen.version, chosen.dataset, *_read_verified(chosen, *PARTS))
    kept = {"state": state, "version": chosen.version, "dataset": chosen.dataset, "cache": str(cache)}
    with suppress(PipelineError):  # without the file it works too, but slower
        atomic.write_text(_place(selector), json.dumps(kept))
    return _scoring_model(chosen.version, chosen.dataset, *contents)


def _place(selector: str) -> Path:
    return KEPT / f"{NAME}-{selector}.json"


def _scoring_model(version: str, dataset: str, content: bytes, card: bytes) -> ScoringModel:
    return ScoringModel(
        version=version,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        dataset=dataset,
        temperature=float(json.loads(card).get("temperature", 1)),
    )


def _read_verified(version: Version, *places: Path) -> list[bytes]:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    paths = [place.as_posix() for place in places]
    output = layout.MODEL if layout.MODEL in places[0].parents else places[0]
    fetch = f"`dvc fetch --all-tags {output}`"
    again = f"where no remote has them, `digits models {version.version}` shows how to make it again"
    git.complete(version.commit)
    try:
        files = DVCFileSystem(rev=version.commit)
        read = [(path, files.info(path)["md5"], bytes(files.cat_file(path))) for path in paths]
    except (DvcException, DataIndexDirError, OSError) as error:
        raise PipelineError(
            f"{NAME} {version.version}: {' and '.join(paths)} cannot be read: {error}. Fetch them with {fetch}; {again}."
        ) from error
    for path, expected, content in read:
        found = md5(content)
        if found != expected:
            raise PipelineError(
                f"{NAME} {version.version}: {path} has the md5 {found[:8]}…, its dvc.lock says {expected[:8]}…: refused. "
                f"Delete the damaged file from DVC's cache and run {fetch}."
            )
    return [content for _, _, content in read]


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
