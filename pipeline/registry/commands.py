"""The commands of ``digits`` that read and change the registry."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline import layout, terminal
from pipeline.command import versions as known_versions
from pipeline.names import shown

VERSION = "champion, or a version such as v1.2.0."
NO_TEAM = (
    "DVC has no default remote: nothing leaves this machine. `dvc remote add --default NAME ADDRESS` shares the registry "
    "with a team, whose tags go to the Git remote."
)
NONE_YET = "No model is registered yet. Train and register one: `make run`."


def report() -> None:
    """Write reports/training.html: verdict, curves, errors, slices, what made the model; and MODEL_CARD.md."""
    from pipeline import params
    from pipeline.registry import catalogue
    from pipeline.reports import model_card, training

    settings = params.load(layout.PARAMS)
    terminal.out(shown(training.write(catalogue.origin(settings))))
    terminal.out(shown(model_card.write(settings)))


def register() -> None:
    """Register the trained model if it passes the gate; make it champion if it beats the champion."""
    from pipeline import console, params
    from pipeline.registry import registering

    try:
        terminal.out(registering.register(params.load(layout.PARAMS), terminal.say, console.progress).message)
    except registering.GateRefusal as refusal:
        terminal.lay(str(refusal.verdict))
        raise


def models(
    version: Annotated[
        str | None, typer.Argument(help="One, to see it whole: champion, or such as v1.2.0.", autocompletion=known_versions)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all that is known, bounds and verdicts too.")] = False,
) -> None:
    """List the registered models, or show one VERSION whole."""
    from pipeline.registry import catalogue, versions
    from pipeline.registry.remotes import tags, team

    known = versions.registered() if version is None else [versions.find(version)]
    reigns = versions.history()
    waiting = tags.unpublished() if team.here() else None
    if as_json:
        values = catalogue.as_json(known, reigns, waiting)
        print(json.dumps(values if version is None else values[0], indent=2))
    elif version is not None:
        catalogue.show_model(known[0], reigns)
    elif known:
        catalogue.show_models(known, reigns, waiting)
    else:
        terminal.lay(versions.left_out() or NONE_YET)


def promote(
    version: Annotated[str, typer.Argument(help="A registered version, such as v1.2.0.", autocompletion=known_versions)],
    because: Annotated[str, typer.Option(help="The reason, which is kept with the promotion.")] = "",
) -> None:
    """Make a registered version the champion: forward, or back to an older one."""
    from pipeline.registry import publishing, versions

    changed, outcome = publishing.promote(version, because, terminal.say)
    state = f"{versions.NAME} {version} is {'now' if changed else 'already'} the {versions.CHAMPION}"
    terminal.out(*filter(None, (state, outcome)))


def remote() -> None:
    """Say what a team's clone shares, try to read and to write each remote, and name what is not published yet."""
    from pipeline.errors import PipelineError
    from pipeline.registry import catalogue, publishing, versions
    from pipeline.registry.remotes import checking, tags, team

    clone = team.here()
    if not clone:
        terminal.lay(NO_TEAM)
        return
    trials = {"tags, in Git's": checking.of_tags(clone), "bytes, in DVC's": checking.of_objects(clone)}
    for what, trial in trials.items():
        catalogue.show_trial(what, trial)
    if not trials["tags, in Git's"].reading:
        for remark in tags.follow(clone, terminal.say):
            terminal.say(f"warning: {remark}")
    waiting = tags.unpublished()
    published = ", ".join(one for one in versions.tag_names() if one not in waiting)
    terminal.lay(f"published: {published or 'nothing'}")
    terminal.lay(f"not published: {', '.join(waiting)}. {publishing.NEXT}" if waiting else "not published: nothing")
    if not all(trial.is_well for trial in trials.values()):
        raise PipelineError("a remote does not work: what mends it stands above.")


def history() -> None:
    """List who was champion when, by whom and why."""
    from pipeline.registry import catalogue, versions

    reigns = versions.history()
    if reigns:
        catalogue.show_history(reigns)
    else:
        terminal.lay(versions.left_out() or f"There was no champion yet. {NONE_YET}")


def compare(
    first: Annotated[str, typer.Argument(help=VERSION, autocompletion=known_versions)],
    second: Annotated[str, typer.Argument(help="Another.", autocompletion=known_versions)],
    on: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of pictures, with or without labels, to score with both.", exists=True, file_okay=False),
    ] = None,
    more: Annotated[
        list[Path] | None, typer.Argument(help="More such folders.", metavar="FOLDER", exists=True, file_okay=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the rows that change go; data/comparisons/FIRST-SECOND by default.", file_okay=False),
    ] = None,
) -> None:
    """Compare two versions: metrics, slices, a paired test, and what changes in real folders."""
    from pipeline import console, params
    from pipeline.registry import catalogue, contents, difference, versions

    compared = versions.find(first), versions.find(second)
    catalogue.show_comparison(*compared)
    folders = [*(on or ()), *(more or ())]
    if folders:
        models = contents.load(compared[0].version), contents.load(compared[1].version)
        with console.progress() as tell:
            found = difference.measure(folders, models, params.load(layout.PARAMS).score, tell, out)
        catalogue.show_difference(found)


def gc(
    force: Annotated[bool, typer.Option("--force", help="Remove them; without, only say how many there are.")] = False,
) -> None:
    """Free DVC's cache of what no tag, branch or experiment names: no registered model is lost, as by `dvc gc -w`."""
    from pipeline.registry import project

    found = project.free(dry=not force)
    if not found:
        terminal.out("DVC's cache holds nothing that nothing names.")
    elif force:
        terminal.out(f"removed {found}")
    else:
        terminal.lay(f"{found} of DVC's cache are named by no tag, branch or experiment: `digits gc --force` removes them")
