"""From the workspace to a version: the gate, the comparison with the champion, the snapshot, the tags."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

from pipeline import console, gate, layout, lock, registry, snapshot, tags
from pipeline.errors import PipelineError
from pipeline.gate import Answers, Check, Comparison, Contender, Verdict
from pipeline.names import shown
from pipeline.params import Params
from pipeline.registry import require_repository
from pipeline.scoring import difference
from pipeline.tags import NAME, Version, versions

# Of what `evaluate` writes.
ROUNDING = 1e-6


class GateRefusal(PipelineError):
    """The model misses a bound of the gate and was not registered; ``verdict`` lists them all."""

    def __init__(self, verdict: Verdict) -> None:
        """Say what it misses."""
        self.verdict = verdict
        missed = "; ".join(map(str, verdict.missed))
        super().__init__(f"not registered: {missed}. Train a better model, or change `register` in params.yaml.")


@dataclass(frozen=True)
class Registration:
    """What ``register`` did: the version, whether it was there before, the words for a person, and the gate's verdict as JSON.

    ``verdict`` is None where the gate was never asked, as of a version that somebody tagged by hand.
    """

    version: str
    is_new: bool
    is_champion: bool
    message: str
    verdict: dict[str, Any] | None


def register(settings: Params) -> Registration:
    """Register the model in the workspace as the next version, and as champion if it beats the champion.

    The user's branch, index and files stay as they are. Other commands may change the registry while the model is judged, which
    takes long where batches are replayed: it is judged again then. Raises GateRefusal when it misses a bound, and PipelineError
    when the workspace is not what ``dvc repro`` left.
    """
    require_repository()
    with tags.judging():
        while True:
            judged = _state()
            snapshot.require_clean()
            known = versions()
            if same := _of_workspace(known):
                return _registered(same)
            new = tags.next_version()
            verdict = _judge(settings, known, new, batches=settings.register.replay.batches)
            if verdict.missed or verdict.comparison is None:
                raise GateRefusal(verdict)
            with tags.alone():
                if _state() == judged:
                    snapshot.require_clean()
                    return _tag(new, verdict, verdict.comparison)


def _state() -> tuple[str, str]:
    """Give what the verdict on a model depends on: the registry's tags, and what the stages left."""
    return tags.state(), layout.LOCK.read_text(encoding="utf-8")


def _registered(same: Version) -> Registration:
    message = f"{NAME} {same.version} is this very model already; nothing was changed"
    return Registration(same.version, is_new=False, is_champion=same.is_champion, message=message, verdict=same.verdict)


def _tag(new: str, verdict: Verdict, comparison: Comparison) -> Registration:
    commit = snapshot.take(f"Snapshot of the workspace for {NAME}")
    made = [tags.registration(new, commit, verdict.as_json())]
    if comparison.promotes:
        made.append(tags.assignment(new, commit, tags.GATE, comparison.summary))
    tags.add(*made)
    message = f"{NAME} {new}\n{verdict}"
    return Registration(new, is_new=True, is_champion=comparison.promotes, message=message, verdict=verdict.as_json())


def standing(settings: Params) -> tuple[Version | None, str]:
    """Give the version that the workspace's model is registered as, if it is, and the gate's verdict, in lines.

    For a model that is not registered it is what the gate says today, without a replay.
    """
    known = versions()
    if same := _of_workspace(known):
        return same, (same.verdict or {}).get("words", "the gate was not asked")
    return None, str(_judge(settings, known, tags.next_version(), batches=0))


def _of_workspace(known: list[Version]) -> Version | None:
    """Find the version whose model is the one that the stages left."""
    model = lock.recorded_hash(layout.LOCK.read_text(encoding="utf-8"), layout.MODEL)
    return next((version for version in known if registry.recorded_model(version.commit) == model), None)


def _judge(settings: Params, known: list[Version], new: str, *, batches: int) -> Verdict:
    """Hold the workspace's model, about to be version ``new``, to the bounds; where it keeps them, to the champion.

    ``batches``: so many of the last ones are replayed.
    """
    champion = next((version for version in known if version.is_champion), None)
    metrics = json.loads(layout.METRICS.read_text(encoding="utf-8"))
    bounds = getattr(settings.register, metrics["dataset"])
    verdict = Verdict(metrics["dataset"], metrics["test_set"], gate.check(metrics, bounds))
    if not verdict.missed and champion and batches:
        verdict = _replayed(verdict, settings, champion, new, batches)
    if verdict.missed:
        return verdict
    answers = Answers.of_csv(layout.PREDICTIONS.read_bytes())
    if abs(answers.accuracy - metrics["accuracy"]) > ROUNDING:
        raise PipelineError(
            f"{layout.METRICS}: accuracy {metrics['accuracy']}, but {layout.PREDICTIONS} has {answers.accuracy:.6f}: refused. "
            f"Run `dvc repro --force evaluate`, then register again."
        )
    contender = Contender(champion.version, champion.metrics, _answers(champion)) if champion else None
    comparison = gate.compare(metrics, answers, contender, bounds, settings.register.significance)
    if settings.register.promotion == "ask":
        comparison = gate.ask(comparison, new)
    return replace(verdict, comparison=comparison)


def _replayed(verdict: Verdict, settings: Params, champion: Version, new: str, batches: int) -> Verdict:
    """Add what the model would change in the last batches."""
    folders = difference.last_batches(layout.SCORES, batches)
    if not folders:
        return replace(verdict, replay="replay: no batch that was scored is still there")
    try:
        models = registry.load(champion.version), registry.of_workspace(new)
        with console.progress() as tell:
            found = difference.measure(folders, models, settings.score, tell)
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
        return registry.answers(version)
    except PipelineError:
        return None
