"""The command ``digits``: parse, read the settings, call, print errors."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pipeline import layout
from pipeline.errors import PipelineError, exit_on_error
from pipeline.names import shown

app = typer.Typer(
    help="Train, register and use a classifier of handwritten digits.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line. Exits 1 with one line on standard error for what a user can mend, 2 for bad usage."""
    with exit_on_error():
        app()


class InProject(TyperCommand):
    """A command that works in the project's root alone."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises PipelineError elsewhere."""
        layout.require_root()
        return super().invoke(ctx)


command = partial(app.command, cls=InProject)


@command()
def ingest() -> None:
    """Stage: fetch the data set and verify every byte."""
    from pipeline.stages import ingest as stage

    stage.main()
    print("ingest: done")


@command()
def validate() -> None:
    """Stage: hold the images to the expectations."""
    from pipeline.stages import validate as stage

    stage.main()
    print("validate: done")


@command()
def reshape() -> None:
    """Stage: split and shape the images for Keras."""
    from pipeline.stages import reshape as stage

    stage.main()
    print("reshape: done")


@command()
def train() -> None:
    """Stage: fit the network and write it for Keras and for scoring."""
    from pipeline.stages import train as stage

    stage.main()
    print("train: done")


@command()
def evaluate() -> None:
    """Stage: test the model that scores."""
    from pipeline.stages import evaluate as stage

    stage.main()
    print("evaluate: done")


@command()
def register() -> None:
    """Register the trained model if it passes the gate; make it champion if it beats the champion."""
    from pipeline import params, registry

    print(registry.register(params.load(layout.PARAMS).register).message)


@command()
def models() -> None:
    """List the registered models."""
    from rich.console import Console
    from rich.table import Table

    from pipeline import tags

    table = Table("version", "champion", "dataset", "accuracy", "registered", "commit")
    for one in tags.versions():
        mark = tags.CHAMPION if one.is_champion else ""
        accuracy = f"{one.metrics['accuracy']:.4f}" if one.metrics else "unknown"
        table.add_row(
            one.version, mark, one.metrics.get("dataset", "unknown"), accuracy, f"{one.registered_at:%Y-%m-%d}", one.commit[:12]
        )
    Console().print(table if table.row_count else "No model is registered yet. Train and register one: `make run`.")


@command()
def promote(version: Annotated[str, typer.Argument(help="A registered version, such as v1.2.0.")]) -> None:
    """Make a registered version the champion: forward, or back to an older one."""
    from pipeline import registry, tags

    changed = registry.promote(version)
    print(f"{tags.NAME} {version} is {'now' if changed else 'already'} the {tags.CHAMPION}")


@command()
def score(
    folder: Annotated[Path, typer.Argument(help="The folder of pictures.", exists=True, file_okay=False)],
    out: Annotated[Path | None, typer.Option(help="Where the CSV goes; data/scores/NAME by default.", file_okay=False)] = None,
    model: Annotated[str, typer.Option(help="champion, or a version such as v1.2.0.")] = "champion",
) -> None:
    """Label a folder of scanned digits: one row of a CSV for every picture."""
    from pipeline import params, registry, tags
    from pipeline.scoring import run

    settings = params.load(layout.PARAMS).score
    scoring_model = registry.load(model)
    batch = run.prepare(folder, out or run.default_out(folder), scoring_model, settings)
    manifest = batch.finished()
    if manifest:
        print("Nothing changed since these scores were written.")
    else:
        manifest = run.score(batch, scoring_model, lambda done, total: print(f"{done} of {total}", file=sys.stderr))
    counts = ", ".join(f"{count} {status}" for status, count in manifest.statuses.items())
    print(f"{manifest.rows} images with {tags.NAME} {manifest.model} ({manifest.dataset}): {counts}\n{shown(batch.scores)}")
    if batch.listing.unread_words:
        print(batch.listing.unread_words)
    faults = [words for words in (batch.listing.unreadable_words, run.too_many_errors(manifest, settings)) if words]
    if faults:
        raise PipelineError(f"{shown(batch.scores)}: {'; '.join(faults)}.")


@command()
def sample(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    count: Annotated[int, typer.Option(help="How many pictures.", min=1)] = 1000,
) -> None:
    """Cut a batch of PNG pictures from the test set, to try scoring on."""
    from pipeline import sample as cutter

    print(f"{cutter.run(layout.ARRAYS, folder, count=count)} pictures in {shown(folder)}")
