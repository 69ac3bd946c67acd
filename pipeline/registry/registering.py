"""From the workspace to a version: the gate, the comparison with the champion, the snapshot, the tags."""

import json
import math
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import git, layout
from pipeline.datasets import own
from pipeline.errors import PipelineError
from pipeline.labelled.choosing import TRACKED
from pipeline.names import shown
from pipeline.params import Params
from pipeline.registry import contents, difference, gate, own_test, project, versions
from pipeline.registry.gate import Answers, Check, Comparison, Contender, Pairs, Verdict
from pipeline.registry.publishing import OvertakenError, Publication
from pipeline.registry.versions import NAME, Version, registered
from pipeline.scoring.run import Tell

# `evaluate` rounds what it writes.
ROUNDING = 1e-6

# Gives the function that shows progress, for the length of a block.
Showing = Callable[[], AbstractContextManager[Tell]]


class GateRefusal(PipelineError):
    """The model misses a bound of the gate and was not registered; ``verdict`` lists them all."""

    def __init__(self, verdict: Verdict) -> None:
        """Name the bounds that it misses."""
        self.verdict = verdict
        missed = "; ".join(map(str, verdict.missed))
        super().__init__(f"not registered: {missed}. Train a better model, or change `register` in params.yaml.")


@dataclass(frozen=True)
class Registration:
    """What ``register`` did: the version, whether it is new and champion, words for a person, the gate's verdict as JSON.

    ``verdict`` is None if the gate was never asked, because somebody tagged the version by hand.
    """

    version: str
    is_new: bool
    is_champion: bool
    message: str
    verdict: dict[str, Any] | None


def register(settings: Params, say: git.Say, progress: Showing) -> Registration:
    """Register the model in the workspace as the next version, and as champion if it beats the champion.

    The user's branch, index and files stay as they are. Judging takes long where batches are replayed; if another command, or
    another clone of a team, changes the registry meanwhile, the model is judged again. What is registered is published where
    there is a team whose remotes answer. ``say`` is called with what a person should know, ``progress`` gives the function that
    shows how far a replay is. Raises GateRefusal when the model misses a bound, and PipelineError when the workspace is not
    what ``dvc repro`` left.
    """
    versions.require_repository()
    publication = Publication(say)
    with versions.judging(say):
        while True:
            publication.begin()
            judged = _state()
            _require_clean()
            known = registered()
            if same := _of_workspace(known):
                return _registered(same, publication.outcome)
            new = versions.next_version()
            verdict = _judge(settings, known, new, progress)
            if verdict.missed or verdict.comparison is None:
                raise GateRefusal(verdict)
            publication.send_workspace()
            with versions.changing(say), suppress(OvertakenError):
                if _state() == judged:
                    _require_clean()
                    return _tag(new, verdict, verdict.comparison, publication)


def _state() -> tuple[str, str]:
    """Give the state that a verdict depends on: the registry's tags, and what the stages left."""
    return versions.state(), layout.DVC_LOCK.read_text(encoding="utf-8")


def _registered(same: Version, outcome: str) -> Registration:
    words = f"{NAME} {same.version} is this very model already; nothing was changed"
    message = "\n".join(filter(None, (words, outcome)))
    return Registration(same.version, is_new=False, is_champion=same.is_champion, message=message, verdict=same.verdict)


def _tag(new: str, verdict: Verdict, comparison: Comparison, publication: Publication) -> Registration:
    commit = _snapshot(f"Snapshot of the workspace for {NAME}")
    made = [versions.registration(new, commit, verdict.as_json())]
    if comparison.promotes:
        made.append(versions.assignment(new, commit, versions.GATE, comparison.summary))
    publication.add(*made)
    message = "\n".join(filter(None, (f"{NAME} {new}\n{verdict}", publication.outcome)))
    return Registration(new, is_new=True, is_champion=comparison.promotes, message=message, verdict=verdict.as_json())


def standing(settings: Params) -> tuple[Version | None, dict[str, Any] | None]:
    """Give the version as which the workspace's model is registered, or None, and the gate's verdict, None if it was not asked.

    For a model that is not registered, the verdict is what the gate says today, without a replay.
    """
    known = registered()
    if same := _of_workspace(known):
        return same, same.verdict
    return None, _judge(settings, known, versions.next_version(), None).as_json()


def _of_workspace(known: list[Version]) -> Version | None:
    """Find the version whose model is the one that the stages left."""
    model = contents.recorded_hash(layout.DVC_LOCK.read_text(encoding="utf-8"), layout.MODEL)
    return next((version for version in known if contents.recorded_model(version.commit) == model), None)


def _judge(settings: Params, known: list[Version], new: str, progress: Showing | None) -> Verdict:
    """Compare the workspace's model, about to be version ``new``, with the bounds and, where it keeps them, the champion.

    ``progress``: None if no batch is to be replayed.
    """
    champion = next((version for version in known if version.is_champion), None)
    metrics = json.loads(layout.METRICS.read_text(encoding="utf-8"))
    bounds = getattr(settings.register, metrics["dataset"])
    verdict = Verdict(metrics["dataset"], metrics["test_set"], gate.check(metrics, bounds))
    if not verdict.missed and champion and progress and settings.register.replay.batches:
        verdict = _replayed(verdict, settings, champion, new, progress)
    if verdict.missed:
        return verdict
    answers = Answers.of_csv(layout.PREDICTIONS.read_bytes())
    if abs(answers.accuracy - metrics["accuracy"]) > ROUNDING:
        raise PipelineError(
            f"{layout.METRICS}: accuracy {metrics['accuracy']}, but {layout.PREDICTIONS} has {answers.accuracy:.6f}: refused. "
            f"Run `dvc repro --force evaluate`, then register again."
        )
    contender = Contender(champion.version, champion.metrics, _answers(champion)) if champion else None
    of_own, why_not = _compare_own(champion, new, settings.register.own.minimum_images) if champion else (None, "")
    comparison = gate.compare(metrics, answers, contender, bounds, settings.register.significance, of_own)
    comparison = replace(comparison, reason=comparison.reason + why_not)
    if settings.register.promotion == "ask":
        comparison = gate.ask(comparison, new)
    return replace(verdict, comparison=comparison)


def _compare_own(champion: Version, new: str, minimum_images: int) -> tuple[Pairs | None, str]:
    """Let both models read the user's own test scans; where these are not compared, say why in words that follow others."""
    scans = own.read(layout.OWN).part(own.TEST)
    count = len(scans.labels)
    if count < minimum_images:
        return None, f"; the {count} own test scans are not compared, for they are less than {minimum_images}" if count else ""
    try:
        models = contents.of_workspace(new), contents.load(champion.version)
    except PipelineError as error:
        return None, f"; own scans are not compared: {error}"
    return Pairs.of(*(own_test.answers(model, scans) for model in models)), ""


def _replayed(verdict: Verdict, settings: Params, champion: Version, new: str, progress: Showing) -> Verdict:
    """Add to a verdict what the model would change in the last batches."""
    folders = difference.last_batches(layout.SCORES, settings.register.replay.batches)
    if not folders:
        return replace(verdict, replay="replay: no batch that was scored is still there")
    try:
        pair = contents.load(champion.version), contents.of_workspace(new)
        with progress() as tell:
            found = difference.measure(folders, pair, settings.score, tell)
    except PipelineError as error:
        words, share = str(error), math.nan
    else:
        named = ", ".join(map(shown, folders))
        words, share = f"{named} with {champion.version} and {new}: {found}; {shown(found.file)}", found.share
    bound = settings.register.replay.maximum_changed_share
    held = [] if bound is None else [Check("changed share of the replay", share, bound, is_maximum=True)]
    measured = None if math.isnan(share) else share
    return replace(verdict, checks=[*verdict.checks, *held], replay=f"replay: {words}", changed_share=measured)


def _answers(version: Version) -> Answers | None:
    try:
        return contents.answers(version)
    except PipelineError:
        return None


def _require_clean() -> None:
    """Raise PipelineError unless code, settings and data are those that the last run of every stage left."""
    with project.opened() as repo:
        changed = repo.status()
    if changed or not layout.METRICS.exists():
        stages = ", ".join(changed) or "evaluate"
        raise PipelineError(
            f"the workspace is not what the last run left: `dvc status` names {stages}. Run `dvc repro`, then register again."
        )
    for folder in sorted(layout.LABELLED.glob("[!.]*")):
        if folder.is_dir() and not folder.with_name(f"{folder.name}{TRACKED}").exists():
            raise PipelineError(
                f"{shown(folder)}: nobody keeps these scans, which the model was made from. Run `dvc add {shown(folder)}` and "
                f"`dvc repro`, then register again."
            )


def _snapshot(message: str) -> str:
    """Commit the workspace outside any branch, through an index of its own, and give the commit's hash."""
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.output("read-tree", "HEAD", environment=index)
        git.output("add", "--update", ".", environment=index)
        # With force, files that a person's Git ignores are added too, but not the caches that Python writes beside code.
        # Of own scans, only what DVC keeps of them.
        left = f":(exclude,glob){layout.LABELLED}/*/**", ":(exclude,glob)**/__pycache__/**"
        git.output("add", "--force", "--", *_files_of_the_stages(), *left, environment=index)
        tree = git.output("write-tree", environment=index).strip()
    return git.output("commit-tree", tree, "-p", "HEAD", "-m", message).strip()


def _files_of_the_stages() -> list[str]:
    """List what the stages read and write and DVC does not keep: code, settings, metrics, plots; tracked by Git or not."""
    with project.opened() as repo:
        stages = repo.index.stages
        cached = {out.fspath for stage in stages for out in stage.outs if out.use_cache}
        named = {item.fspath for stage in stages for item in (*stage.deps, *stage.outs)}
    kept = [path for path in named if not any(path == out or path.startswith(out + os.sep) for out in cached)]
    return ["dvc.yaml", str(layout.DVC_LOCK), *sorted(os.path.relpath(path) for path in kept)]
