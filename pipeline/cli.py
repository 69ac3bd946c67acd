"""The command ``digits``: parse, read the settings, call, print errors."""

import gc
import sys
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated

import typer

from pipeline import layout, terminal
from pipeline.command import STANDARD_INPUT, Command, Group, digits_in, folders, in_project, versions
from pipeline.errors import PipelineError, exit_on_error
from pipeline.names import counted, shown
from pipeline.quality import commands as quality
from pipeline.registry import commands as registry
from pipeline.review import commands as reviewing

app = typer.Typer(cls=Group, no_args_is_help=True, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line. Exits 1 with one line on standard error for what a user can mend, 2 for bad usage."""
    try:
        with exit_on_error():
            app()
    finally:
        # At its end Python would search all imported modules for cycles, which takes a tenth of a second.
        gc.freeze()


def _show_version(asked: bool) -> None:
    if asked:
        print(f"digit-pipeline {metadata.version('digit-pipeline')}")
        raise typer.Exit


@app.callback()
def digits(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Train, register and use a classifier of handwritten digits."""


def run_stage(name: str) -> None:
    """Run a stage without asking DVC."""
    with terminal.hushed():
        import_module(f"pipeline.stages.{name}").main()


def stage(name: str, what: str) -> Callable[[], None]:
    """Make the command that runs a stage without asking DVC."""

    def run() -> None:
        run_stage(name)
        terminal.out(f"{name}: done")

    run.__name__, run.__doc__ = name, f"{what}."
    return run


def validate(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Any folder of pictures, in folders 0 to 9 or without labels.", exists=True, file_okay=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the report on FOLDER goes; data/validations/NAME by default.", file_okay=False)
    ] = None,
) -> None:
    """Hold the data to the expectations; or the pictures of any FOLDER."""
    if folder is None:
        run_stage("validate")
        return
    from pipeline import params
    from pipeline.quality import folders, publishing

    settings = params.load(layout.PARAMS)
    out = out or layout.VALIDATION.with_name("validations") / (folder.resolve().name or "root")
    findings = folders.check_folder(folder, out, settings.score, settings.validate, print)
    print(*publishing.conclude(findings, out / layout.REPORT_PAGE), shown(out / layout.REPORT_PAGE), sep="\n")


def collect(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Labelled scans: a folder with folders 0 to 9 or a labels.csv, a CSV, or an export of Label Studio or CVAT.",
            metavar="FOLDER",
            exists=True,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--as", help="Copy those of FOLDER into data/labelled/NAME.", metavar="NAME")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show what there is, and what the last model learned from.")] = False,
) -> None:
    """Read your own labelled scans; or copy those of FOLDER in, or list them."""
    if source is None and name is None and not listed:
        run_stage("collect")
        return
    from pipeline import console, params
    from pipeline.labelled import adding, overview
    from pipeline.registry import project

    settings = params.load(layout.PARAMS).score
    if source is not None and name is not None:
        with project.tracking(layout.LABELLED / name):
            added = adding.add(source, name, settings)
        terminal.out(str(added), added.for_git)
    elif source is not None or name is not None:
        raise typer.BadParameter("name both, as in: digits collect scans/ --as forms-2026", param_hint="FOLDER and --as")
    if listed:
        console.labelled(overview.overview(settings))


def score(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A folder or archive of pictures, s3://BUCKET/PREFIX, a file of paths, or - for those.", autocompletion=folders
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Where the CSV goes; data/scores/NAME by default.", file_okay=False)] = None,
    model: Annotated[
        str, typer.Option(help="champion, or such as v1.2.0.", metavar="VERSION", autocompletion=versions)
    ] = "champion",
    confidence: Annotated[
        float | None, typer.Option(help="Less becomes `review`; score.minimum_confidence by default.", min=0, max=1)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes; the cores by default, and none but this one for few pictures.", min=1)
    ] = None,
    cluster: Annotated[
        str, typer.Option(envvar="DASK_ADDRESS", metavar="ADDRESS", help="A scheduler of Dask, whose workers score.")
    ] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Score again what was scored before.")] = False,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Ten more columns, p0 to p9.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    allow: Annotated[str, typer.Option(help="The digits that can occur, such as 0-5 or 0,1,7.", metavar="DIGITS")] = "0-9",
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest, and nothing else.")] = False,
) -> None:
    """Label a folder of scanned digits: one row of a CSV for every picture.

    Rows stand in the byte order of the paths. Besides scores.csv it writes
    review.csv, the doubtful rows, least confident first, manifest.json, and
    report.html, which shows the pictures beside what was read of them.

    Columns: file (below the folder), page, label, confidence (0 to 1),
    second_label, second_confidence, status (ok, review or error), reason
    (of a review or an error), model (its version).

    What was scored before in the same way is not read again. Exits 1 past
    the allowed share of errors, or on failure.
    """
    from pipeline.scoring import executors

    if folder != STANDARD_INPUT and not layout.address_of(folder) and not folder.exists():
        raise typer.BadParameter(f"{shown(folder)} does not exist.", param_hint="FOLDER")
    if folder == STANDARD_INPUT and out is None:
        raise typer.BadParameter("name a folder where the paths come from standard input.", param_hint="--out")
    digits = digits_in(allow)
    gc.disable()  # what is made for a million rows has no cycles, and takes a tenth longer while they are looked for
    out = out or layout.scores_of(folder)
    try:
        # Processes take as long to start as the rest of this block takes to find their work.
        with executors.early(0 if cluster else executors.foreseen(folder, out, workers)) as early:
            from pipeline import console, params
            from pipeline.registry import serving
            from pipeline.scoring import batch as batches
            from pipeline.scoring import export

            settings = params.load(layout.PARAMS).score
            if folder.suffix.lower() in settings.image_suffixes and not folder.is_dir():
                raise typer.BadParameter(f"{shown(folder)} is a picture: name its folder.", param_hint="FOLDER")
            if confidence is not None:
                settings = settings.model_copy(update={"minimum_confidence": confidence})
            scoring_model = serving.model(model, settings.remote_seconds, terminal.say)
            batch = batches.prepare(
                folder,
                out,
                scoring_model,
                settings,
                batches.Options(workers, fresh, digits, probabilities, not no_report, cluster),
            )
            manifest = batch.finished or console.score(batch, scoring_model, early)
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        raise typer.Exit(130) from None
    if as_json:
        print(manifest.to_json(), end="")
    elif terminal.is_quiet:
        for words in manifest.warnings:
            terminal.say(f"warning: {words}")
    else:
        console.summary(batch, manifest)
    faults = [words for words in (batch.listing.unreadable_words, console.too_many_errors(manifest, settings)) if words]
    if faults:
        raise PipelineError(f"{shown(out / export.SCORES)}: {'; '.join(faults)}.")


def sample(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    count: Annotated[int, typer.Option(help="How many pictures.", min=1)] = 1000,
) -> None:
    """Cut a batch of PNG pictures from the test set, to try scoring on."""
    from pipeline.datasets import sample as cutter

    terminal.out(f"{counted(cutter.cut(layout.ARRAYS, folder, count=count), 'picture')} in {shown(folder)}")


# In the order of the help, each with an example.
COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Every day": {
        "digits score data/inbox/monday": score,
        "digits review monday --open": reviewing.review,
        "digits certify monday --error 0.01": reviewing.certify,
        "digits export monday": reviewing.export,
        "digits models": registry.models,
        "digits drift": quality.drift,
    },
    "Models": {
        "digits report": registry.report,
        "digits register": registry.register,
        "digits compare v1.0.0 v1.1.0 --on data/inbox/monday": registry.compare,
        'digits promote v1.0.0 --because "fewer errors on forms"': registry.promote,
        "digits history": registry.history,
    },
    "Stages": {
        "digits ingest": stage("ingest", "Fetch the data set and verify every byte"),
        "digits validate": validate,
        "digits reshape": stage("reshape", "Split and shape the images for Keras"),
        "digits collect scans/ --as forms-2026": collect,
        "digits train": stage("train", "Fit the network and write it for Keras and for scoring"),
        "digits evaluate": stage("evaluate", "Test the model that scores"),
    },
    "Data and upkeep": {
        "digits sample data/inbox/try --count 20": sample,
        "digits learn monday": reviewing.learn,
        "digits audit data/labelled/forms-2026": quality.audit,
        "digits remote": registry.remote,
        "digits gc --force": registry.gc,
    },
}
for group, commands in COMMANDS.items():
    for example, one in commands.items():
        app.command(cls=Command, rich_help_panel=group, epilog=f"Example: {example}")(in_project(one))
