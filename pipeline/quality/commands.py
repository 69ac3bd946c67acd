"""The commands of ``digits`` that tell what has come to be unlike what it was, or may be wrong."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline import layout, terminal


def drift(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of scored batches, data/scores by default.", file_okay=False)
    ] = None,
    last: Annotated[int, typer.Option(help="How many batches are listed; the page has all.", min=1)] = 20,
) -> None:
    """List the last scored batches beside what is usual for their models, and write drift.html over all."""
    from pipeline import params
    from pipeline.names import shown
    from pipeline.reports import drift as report
    from pipeline.scoring import history

    folder = folder or layout.SCORES
    least = params.load(layout.PARAMS).score.drift_effect
    batches = history.read(folder, terminal.say)
    page = report.write(folder, batches, least)
    some = batches[-last:]
    columns = ("batch", "finished (UTC)", "model", "rows", "for review", "expected right", "beside what is usual")
    terminal.table(
        columns,
        [(one.name, one.finished, one.model, str(one.rows), one.review, one.expected, one.words) for one in some],
        wide=("finished (UTC)", "model", "expected right"),
        instead="drift.html",
    )
    lines = []
    for name, words in report.WORDS.items():
        found = [one.figures.get(name) for one in some]
        if any(found):
            blocks = history.chart([one["effect"] if one else None for one in found], least)
            times = sum(one["has_drifted"] for one in found if one)
            lines.append((words, blocks, f"drifted {times} times" if times > 1 else "drifted once" if times else ""))
    if lines:
        terminal.table(("figure", "effect, oldest first", f"at least {least:g} counts"), lines)
    print(shown(page))


def audit(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Scans in folders 0 to 9, or with a labels.csv, or FOLDER.csv beside it; without it, the data set.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where it goes; data/audits/NAME by default.", file_okay=False)] = None,
    first: Annotated[int, typer.Option(help="How many labels are listed; the CSV has all.", min=0)] = 20,
) -> None:
    """Find labels that are likely wrong, by a model that never saw the pictures."""
    from pipeline import console, params
    from pipeline.names import shown
    from pipeline.quality import audit as audits
    from pipeline.reports import batch as report

    settings = params.load(layout.PARAMS)
    if folder is None:
        found = audits.of_dataset(out or layout.AUDITS / settings.ingest.dataset, settings, terminal.say, console.progress)
    else:
        out = out or layout.AUDITS / (folder.resolve().name or "root")
        found = audits.of_folder(folder, out, settings, terminal.say, console.progress)
    if fault := console.publish_answers(found.out):
        terminal.say(f"warning: {fault}")
    columns = tuple(column.replace("_", " ") for column in audits.COLUMNS)
    wide = ("page", "suggested probability")
    terminal.table(columns, found.lines[:first], wide=wide, instead=audits.CSV)
    left = f"; {found.left:,} pictures have no label of a digit, or cannot be read" if found.left else ""
    terminal.lay(f"{found.likely:,} of {len(found.lines):,} labels are likely wrong{left}")
    print(shown(found.out / audits.CSV), shown(found.out / report.NAME), sep="\n")
    if found.likely:
        terminal.lay(f"Settle them, a key each: `digits review {shown(found.out)}`")
