"""The commands of ``digits`` by which a person looks at a batch, and what follows from that."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline import layout, terminal
from pipeline.command import batches as known_batches
from pipeline.errors import PipelineError
from pipeline.names import shown

if TYPE_CHECKING:
    from pipeline.review.queue import Mode

Batch = Annotated[
    Path, typer.Argument(help="A scored batch: its name, or its folder.", metavar="BATCH", autocompletion=known_batches)
]
Reader = Annotated[str | None, typer.Option(help="Who keys; the user of this machine by default.")]
Port = Annotated[int, typer.Option(help="Where the page is served on this machine; a free port by default.", min=0, max=65535)]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]
Only = Annotated[
    bool, typer.Option("--summary", help="Say what came of keying so far, write it into the report, serve nothing.")
]


def review(
    batch: Batch,
    blind: Annotated[bool, typer.Option("--blind", help="Hide the guess until a digit is keyed.")] = False,
    second: Annotated[str | None, typer.Option(help="Key once more, blind, what another keyed.", metavar="READER")] = None,
    taken_from: Annotated[
        Path | None,
        typer.Option("--from", help="Take over the answers of an export of Label Studio.", exists=True, dir_okay=False),
    ] = None,
    reader: Reader = None,
    port: Port = 0,
    is_opened: Open = False,
    summary: Only = False,
) -> None:
    """Key the doubtful rows of a batch on a page in the browser, the least confident first."""
    from pipeline.review.queue import Mode

    out = _place_of(batch)
    if taken_from is not None:
        from pipeline.review import exporting

        terminal.out(str(exporting.read_tasks(out, taken_from)))
        summary = True
    if second is not None:
        reader = second
    _serve(out, reader, Mode(is_blind=blind, is_second=second is not None), port, is_opened=is_opened, is_served=not summary)


def certify(
    batch: Batch,
    error: Annotated[float, typer.Option(help="The largest share of wrong labels.", min=0.0001, max=0.5)] = 0.005,
    sure: Annotated[float, typer.Option(help="How certain the promise is.", min=0.5, max=0.9999)] = 0.95,
    reader: Reader = None,
    port: Port = 0,
    is_opened: Open = False,
    summary: Only = False,
) -> None:
    """Key a random sample of a batch, blind, until it shows how many rows are right with certainty."""
    from pipeline.review import answers as kept
    from pipeline.review.queue import Mode
    from pipeline.review.summary import PROMISE

    out = _place_of(batch)
    with kept.opened(out) as answers:
        answers.remember(PROMISE, f"{error} {sure}")
    _serve(out, reader, Mode(error=error, sure=sure), port, is_opened=is_opened, is_served=not summary)


def export(
    batch: Batch,
    form: Annotated[
        Literal["csv", "label-studio"],
        typer.Option("--format", help="All rows with what was keyed, or tasks of the doubtful ones."),
    ] = "csv",
) -> None:
    """Write scores.reviewed.csv beside the scores of a batch, or tasks for Label Studio."""
    from pipeline import params
    from pipeline.review import exporting

    out = _place_of(batch)
    if form == "csv":
        terminal.out(shown(exporting.write_csv(out)))
        return
    terminal.out(shown(exporting.write_tasks(out, params.load(layout.PARAMS).score)))
    terminal.out(f"labelling configuration: {exporting.CONFIGURATION}")


def learn(
    batches: Annotated[
        list[Path],
        typer.Argument(help="Scored batches, of which rows were keyed.", metavar="BATCH...", autocompletion=known_batches),
    ],
) -> None:
    """Copy what was keyed of batches below data/labelled: the next training has it."""
    from pipeline import params
    from pipeline.registry import project
    from pipeline.review import learning

    settings = params.load(layout.PARAMS).score
    for out in map(_place_of, batches):
        place = learning.place_of(out)
        with project.tracking(place):
            added = learning.learn(out, settings)
        terminal.out(str(added), added.for_git)


def _place_of(batch: Path) -> Path:
    """Find the output folder of a batch. Raises PipelineError where it has no scores."""
    from pipeline.scoring.database import NAME

    places = [batch, layout.SCORES / batch, layout.scores_of(batch)]
    found = next((place for place in places if (place / NAME).is_file()), None)
    if found is None:
        known = sorted(shown(place.parent.name) for place in layout.SCORES.glob(f"*/{NAME}"))
        there = f"There is: {', '.join(known[:10])}" if known else "Score a folder first: `digits score FOLDER`"
        raise PipelineError(f"{shown(batch)}: no scored batch. {there}.")
    return found


def _serve(out: Path, reader: str | None, mode: "Mode", port: int, *, is_opened: bool, is_served: bool) -> None:
    from pipeline import params
    from pipeline.review import settling, summary

    settings = params.load(layout.PARAMS).score
    if is_served:
        import webbrowser
        from getpass import getuser

        from pipeline.review import server
        from pipeline.review.session import Session

        def tell(address: str) -> None:
            print(f"{address}\nCtrl-C stops the page; the same command goes on from there", flush=True)
            if is_opened:
                webbrowser.open(address)

        session = Session(out, shown(reader or getuser()), mode, settings)
        session.require_work()
        server.serve(session, port, tell)
    found = summary.publish(out)
    terminal.lay(*filter(None, (*found.lines, settling.settle(out, settings) if found.keyed else "")))
