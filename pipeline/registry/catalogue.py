"""What a person sees of the registry: a list of models, one model, two models compared, the history of champions."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import git, layout
from pipeline.digits.network.slices import OWN
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.registry import contents
from pipeline.registry.difference import Difference
from pipeline.registry.gate import Pairs
from pipeline.registry.remotes import tags
from pipeline.registry.versions import CHAMPION, NAME, Reign, Version
from pipeline.terminal import lay, table

if TYPE_CHECKING:
    from pipeline.params import Params
    from pipeline.registry.remotes.checking import Trial
    from pipeline.reports.training import Origin

# Beside the data, these decide what a model becomes.
CODE = (layout.PARAMS, layout.STAGES, layout.PARAMS.with_name("pipeline"))
MOST_LABELS = 10
NOTHING = "unknown"


def as_json(known: list[Version], reigns: list[Reign], waiting: list[str] | None) -> list[dict[str, Any]]:
    """Give all that is known of some versions, as JSON can hold it; ``waiting``: a team's tags that are not published."""
    return [
        asdict(one)
        | {"registered_at": one.registered_at.isoformat(), "slices": _slices(one)}
        | {"champion": [_reign(reign) for reign in reigns if reign.version == one.version]}
        | {"is_published": None if waiting is None else f"{NAME}@{one.version}" not in waiting}
        for one in known
    ]


def show_models(known: list[Version], reigns: list[Reign], waiting: list[str] | None = None) -> None:
    """Print a line for each version, in a team with what is published."""
    rows, promoted_alone = [], set(map(tags.commit_of, waiting or ()))
    for one in known:
        last = next((reign for reign in reversed(reigns) if reign.version == one.version), None)
        worst = f"{_figure(one, 'worst_accuracy')} {one.metrics.get('worst_slice', '')}".strip()
        figures = _figure(one, "accuracy"), worst, _figure(one, "ece")
        promoted = f"by {last.how}, {last.by}: {last.because}".rstrip(": ") if last else ""
        mark = CHAMPION if one.is_champion else ""
        published = "no" if f"{NAME}@{one.version}" in (waiting or ()) else "yes"
        if published == "yes" and one.commit in promoted_alone:
            published = "yes, not its promotion"
        row = (one.version, mark, f"{one.registered_at:%Y-%m-%d}", one.dataset, *figures, promoted)
        rows.append(row if waiting is None else (*row, published))
    columns = ("version", CHAMPION, "registered", "dataset", "accuracy", "worst slice", "calibration error", "promoted")
    table(
        columns if waiting is None else (*columns, "published"),
        rows,
        wide=("dataset", "calibration error", "promoted"),
        instead="`digits models VERSION`",
    )


def show_trial(what: str, trial: "Trial") -> None:
    """Print what came of trying a remote, and what mends it."""
    lay(shown(f"{what} {trial.name}: {trial.address}".rstrip(": ")))
    for kind, fault in (("reading", trial.reading), ("writing", trial.writing)):
        lay(shown(f"  {kind} fails: {fault}" if fault else f"  {kind} works"))
    if trial.mending:
        lay(f"  what mends it: {trial.mending}")


def show_history(reigns: list[Reign]) -> None:
    """Print who was champion when, oldest first."""
    rows = []
    before: list[str] = []
    for one in reigns:
        until = f"{one.until:%Y-%m-%d %H:%M}" if one.until else "today"
        how = f"by {one.how}, back" if one.version in before else f"by {one.how}"
        rows.append((one.version, f"{one.since:%Y-%m-%d %H:%M}", until, how, one.by, one.because))
        before.append(one.version)
    columns = (CHAMPION, "from", "until", "promoted", "who", "why")
    table(columns, rows, wide=("who", "why"), instead="`digits models VERSION`")


def show_model(one: Version, reigns: list[Reign]) -> None:
    """Print all that is known of one version, and how to have it and make it again."""
    lay(f"{NAME} {one.version}{f', the {CHAMPION}' if one.is_champion else ''}")
    lay(f"registered {one.registered_at:%Y-%m-%d %H:%M} by {shown(one.registered_by)}, commit {one.commit}")
    for reign in reigns:
        if reign.version == one.version:
            until = f" until {reign.until:%Y-%m-%d %H:%M}" if reign.until else ""
            why = f": {reign.because}" if reign.because else ""
            lay(shown(f"{CHAMPION} from {reign.since:%Y-%m-%d %H:%M}{until}, by {reign.how}, {reign.by}{why}"))
    parameters = parameters_of(git.show(one.commit, layout.DVC_LOCK) or "")
    slices = [f"{name}: accuracy {row['accuracy']:.4f}, for review {row['review']:.4f}" for name, row in _slices(one).items()]
    for title, lines in (
        ("Gate", (one.verdict or {}).get("words", "it was not asked").splitlines()),
        ("Metrics", [f"{name} {value}" for name, value in one.metrics.items()]),
        *([("Slices of the test set", slices)] if slices else []),
        ("Parameters", [f"{name} {value}" for name, value in parameters.items()]),
    ):
        lay("", title, *(f"  {shown(line)}" for line in lines))
    for title, commands in (
        ("Its files", [f"dvc artifacts get . {NAME} --rev {one.version} --out {NAME}-{one.version}"]),
        ("Make it again, and see that the metrics are the same to the byte", commands_again(one, one.commit)),
    ):
        print(f"\n{title}\n", *(f"  {shown(command)}" for command in commands), sep="\n")


def origin(settings: "Params") -> "Origin":
    """Give what the model in the workspace is, and what made it. Raises PipelineError where the stages left nothing."""
    from pipeline.registry import own_test, registering, versions
    from pipeline.reports.training import Origin

    try:
        recorded = layout.DVC_LOCK.read_text(encoding="utf-8")
        version, verdict = registering.standing(settings)
    except FileNotFoundError as error:
        raise PipelineError(f"no model is trained here yet: {error.filename} is not there. Run `dvc repro` first.") from error
    except (OSError, ValueError) as error:
        raise PipelineError(f"nothing to report on: {error}. Run `dvc repro` first.") from error
    commit = version.commit if version else git.output("rev-parse", "HEAD").strip()
    return Origin(
        name=NAME,
        version=version.version if version else None,
        is_champion=version is not None and version.is_champion,
        verdict=verdict,
        made_from={
            "code": commit,
            "raw data (md5 in dvc.lock)": contents.recorded_hash(recorded, layout.RAW),
            "model (md5 in dvc.lock)": contents.recorded_hash(recorded, layout.MODEL),
        },
        parameters=parameters_of(recorded),
        commands=commands_again(version, commit),
        changed=[] if version else [*map(shown, git.changed(*CODE))],
        own=own_test.before_and_after(version.version if version else None, versions.history()),
    )


def commands_again(version: Version | None, commit: str) -> list[str]:
    """Give the commands that make a version, or the stages' results at a commit, again in a new folder beside the project."""
    if version:
        folder = f"{NAME}-{version.version}"
        clone = [f"git clone --quiet --config advice.detachedHead=false --branch {NAME}@{version.version} . ../{folder}"]
    else:
        folder = f"{NAME}-{commit[:7]}"
        clone = [f"git clone --quiet --no-checkout . ../{folder}", f"git -C ../{folder} checkout --quiet {commit}"]
    return [
        *clone,
        f"cd ../{folder}",
        "dvc repro",
        f"git diff --exit-code {layout.METRICS.parent} {layout.PLOTS}",
    ]


def parameters_of(lock: str) -> dict[str, Any]:
    """Give the settings that the stages read, by the text of a ``dvc.lock``."""
    try:
        stages = (YAML(typ="safe").load(lock) or {})["stages"]
        used = [stage.get("params", {}).get(layout.PARAMS.as_posix(), {}) for stage in stages.values()]
    except (YAMLError, AttributeError, KeyError, TypeError):  # not as DVC writes it
        return {}
    return {name: value for parameters in used for name, value in _flat(parameters)}


def show_comparison(first: Version, second: Version) -> None:
    """Print metrics and slices of two versions side by side, and how they answer the same test images."""
    names = (first.version, second.version)
    lay(f"{NAME} {names[0]} and {names[1]}")
    sides = first.metrics, second.metrics
    rows = [_row(name, *(side.get(name) for side in sides)) for name in dict.fromkeys([*sides[0], *sides[1]])]
    if any(sides[0].get(name) != sides[1].get(name) for name in ("dataset", "test_set")):
        table(("metric", *names), [row[:-1] for row in rows])
        lay("They were tested on different images: their figures cannot be compared.")
        return
    has_other_scans = len({side.get("own_test_set") for side in sides} - {None}) == 2
    if has_other_scans:
        rows = [row for row in rows if not row[0].startswith("own_")]
    table(("metric", *names, "change"), rows)
    slices = _slices(first), _slices(second)
    rows = [
        _row(f"{slice_}: {kind}", *(side.get(slice_, {}).get(kind) for side in slices))
        for kind in ("accuracy", "review")
        for slice_ in dict.fromkeys([*slices[0], *slices[1]])
        if not (has_other_scans and slice_ == OWN)
    ]
    table(("slice", *names, "change"), rows)
    if has_other_scans:
        lay("They were tested on different own scans: figures of these cannot be compared.")
    lay(_paired_words(first, second))


def show_difference(found: Difference) -> None:
    """Print how many rows change, in which direction, and where they are."""
    lay(str(found))
    labels = [(words, str(number)) for words, number in islice(found.labels.items(), MOST_LABELS)]
    if labels:
        table(("label", "rows"), labels)
    lay(shown(found.file))
    lay(f"warning: no page: {found.page_fault}" if found.page_fault else shown(found.page))


def _paired_words(first: Version, second: Version) -> str:
    try:
        pairs = Pairs.of(contents.answers(first), contents.answers(second))
    except PipelineError as error:
        return f"No paired test: {error}"
    if pairs is None:
        return "No paired test: their test images are not the same."
    return (
        f"Of {pairs.images} test images {first.version} alone reads {pairs.first_alone} right, {second.version} alone "
        f"{pairs.second_alone}: p = {pairs.p:.4f} by McNemar's exact test"
    )


def _row(name: str, first: Any, second: Any) -> tuple[str, ...]:
    numbers = [value for value in (first, second) if isinstance(value, int | float)]
    change = f"{numbers[1] - numbers[0]:+.6g}" if len(numbers) == 2 else ""
    return name, *(NOTHING if value is None else str(value) for value in (first, second)), change


def _slices(one: Version) -> dict[str, dict[str, float]]:
    """Give the figures of each slice; an empty dictionary for a commit without any."""
    rows = git.show_json(one.commit, layout.SLICES).items()
    return {name: row for name, row in rows if isinstance(row, dict) and {"accuracy", "review"} <= row.keys()}


def _flat(values: dict[str, Any], start: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{start}{name}.")
        else:
            yield f"{start}{name}", value


def _reign(one: Reign) -> dict[str, Any]:
    return asdict(one) | {"since": one.since.isoformat(), "until": one.until.isoformat() if one.until else None}


def _figure(one: Version, name: str) -> str:
    value = one.metrics.get(name)
    return f"{value:.4f}" if isinstance(value, int | float) else NOTHING
