"""The command ``digits``: parse, read the settings, call, print errors."""

import gc
import re
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pipeline import git, layout
from pipeline.errors import PipelineError, exit_on_error
from pipeline.names import shown
from pipeline.quality import commands as quality_commands
from pipeline.registry import commands
from pipeline.review import commands as review_commands

STANDARD_INPUT = Path("-")

app = typer.Typer(
    help="Train, register and use a classifier of handwritten digits.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line. Exits 1 with one line on standard error for what a user can mend, 2 for bad usage."""
    try:
        with exit_on_error():
            app()
    finally:
        # At its end Python would search all imported modules for cycles, which takes a tenth of a second.
        gc.freeze()


class InProject(TyperCommand):
    """A command that works in the project's root alone."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises PipelineError elsewhere."""
        layout.require_root()
        git.have_user_name()
        return super().invoke(ctx)


command = partial(app.command, cls=InProject)


def add_stage(name: str, what: str) -> None:
    """Add the command that runs a stage without asking DVC."""

    def stage() -> None:
        import_module(f"pipeline.stages.{name}").main()
        print(f"{name}: done")

    stage.__name__ = name
    command(help=f"Stage: {what}.")(stage)


add_stage("ingest", "fetch the data set and verify every byte")


@command()
def validate(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Any folder of pictures, in folders 0 to 9 or without labels.", exists=True, file_okay=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the report on FOLDER goes; data/validations/NAME by default.", file_okay=False)
    ] = None,
) -> None:
    """Stage: hold the data to the expectations; or those of any FOLDER."""
    if folder is None:
        from pipeline.stages import validate as stage

        stage.main()
        return
    from pipeline import params
    from pipeline.quality import folders, publishing

    settings = params.load(layout.PARAMS)
    out = out or layout.VALIDATION.with_name("validations") / (folder.resolve().name or "root")
    findings = folders.check_folder(folder, out, settings.score, settings.validate, print)
    print(*publishing.conclude(findings, out / layout.REPORT_PAGE), shown(out / layout.REPORT_PAGE), sep="\n")


add_stage("reshape", "split and shape the images for Keras")


@command()
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
    """Stage: read your own labelled scans; or copy those of FOLDER in, or list them."""
    if source is None and name is None and not listed:
        from pipeline.stages import collect as stage

        stage.main()
        return
    from pipeline import console, params
    from pipeline.labelled import adding, overview
    from pipeline.registry import project

    settings = params.load(layout.PARAMS).score
    if source is not None and name is not None:
        with project.tracking(layout.LABELLED / name):
            added = adding.add(source, name, settings)
        print(added, added.for_git, sep="\n")
    elif source is not None or name is not None:
        raise typer.BadParameter("name both, as in: digits collect scans/ --as forms-2026", param_hint="FOLDER and --as")
    if listed:
        console.labelled(overview.overview(settings))


for name, what in (
    ("train", "fit the network and write it for Keras and for scoring"),
    ("evaluate", "test the model that scores"),
):
    add_stage(name, what)


for one in (*commands.COMMANDS, *review_commands.COMMANDS, *quality_commands.COMMANDS):
    command()(one)


@command()
def score(
    folder: Annotated[
        Path, typer.Argument(help="A folder or archive of pictures, s3://BUCKET/PREFIX, a file of paths, or - for those.")
    ],
    out: Annotated[Path | None, typer.Option(help="Where the CSV goes; data/scores/NAME by default.", file_okay=False)] = None,
    model: Annotated[str, typer.Option(help="champion, or a version such as v1.2.0.")] = "champion",
    confidence: Annotated[
        float | None, typer.Option(help="Less becomes `review`; score.minimum_confidence by default.", min=0, max=1)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes; the cores by default, and none but this one for few pictures.", min=1)
    ] = None,
    cluster: Annotated[str, typer.Option(envvar="DASK_ADDRESS", help="A scheduler of Dask, whose workers score.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Score again what was scored before.")] = False,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Ten more columns, p0 to p9.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    allow: Annotated[str, typer.Option(help="The digits that can occur, such as 0-5 or 0,1,7.")] = "0-9",
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
    digits = _digits(allow)
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
            scoring_model = serving.model(model, settings.remote_seconds, console.say)
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
    else:
        console.summary(batch, manifest)
    faults = [words for words in (batch.listing.unreadable_words, console.too_many_errors(manifest, settings)) if words]
    if faults:
        raise PipelineError(f"{shown(out / export.SCORES)}: {'; '.join(faults)}.")


@command()
def sample(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    count: Annotated[int, typer.Option(help="How many pictures.", min=1)] = 1000,
) -> None:
    """Cut a batch of PNG pictures from the test set, to try scoring on."""
    from pipeline.datasets import sample as cutter

    print(f"{cutter.cut(layout.ARRAYS, folder, count=count)} pictures in {shown(folder)}")


def _digits(text: str) -> tuple[int, ...]:
    """Read digits and ranges of them, such as ``0-5,8``."""
    digits: set[int] = set()
    for piece in text.split(","):
        first, _, last = piece.strip().partition("-")
        if not re.fullmatch("[0-9]", first) or not re.fullmatch("[0-9]", last or first) or first > (last or first):
            raise typer.BadParameter(
                f"{text!r}: name digits, or ranges such as 0-5, with commas between.", param_hint="--allow"
            )
        digits |= set(range(int(first), int(last or first) + 1))
    return tuple(sorted(digits))
