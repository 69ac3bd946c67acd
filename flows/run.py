"""``make run``: the whole job in the working folder: every stage, the registry, and a batch of test images scored."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from prefect import State

from flows import standalone
from flows.states import REFUSED
from pipeline import layout
from pipeline.errors import exit_on_error

LOG = Path("reports/prefect.log")

# The outcome of a training, in words about the model that scores.
VERDICTS = {
    "Champion": "the new champion",
    "Registered": "still the champion; what was trained is registered beside it",
    "Unchanged": "the champion, as it was",
    REFUSED: "still the champion; what was trained is refused by the gate",
}

Say = Callable[[str], None]


def main(batch: str = "test-images", count: int = 1000, place: Path = Path()) -> None:
    """Train, register and score, and print the outcome; Prefect's messages go to a file.

    ``batch``: the folder of the inbox that gets ``count`` test images; ``place``: the path to the working folder for a person.
    Exits 1 when a flow fails or a person has to look.
    """
    with exit_on_error(), standalone.ready(standalone.require_trainable) as wait:
        print(f"What Prefect and the stages say goes to {place / LOG}", flush=True)
        with _aside(LOG) as say:
            states = _flows(layout.INBOX / batch, count, wait, say)
    if not standalone.is_well(states[-1]):
        sys.exit("\n".join(f"{state.name}: {state.message}" for state in states))
    logging.getLogger("prefect").setLevel(logging.WARNING)  # else the end of its server would be the last line
    print("\n".join(_verdict(states[0], layout.SCORES / batch, place)))


def _flows(folder: Path, count: int, wait: Callable[[], None], say: Say) -> list[State[Any]]:
    """Run both flows and give the states of those that ran."""
    # These are needed later too; the server starts meanwhile.
    for package in ("altair", "dvc.repo", "networkx"):
        import_module(package)
    from flows import inbox, scoring, stages, training
    from pipeline.datasets import sample

    wait()
    stages.listeners.append(tell := partial(_tell, say))
    try:
        trained = training.train(return_state=True)
    finally:
        stages.listeners.remove(tell)
    if not standalone.is_well(trained):
        return [trained]
    if not folder.exists():
        sample.cut(layout.ARRAYS, folder, count=count)
        (folder / inbox.READY).touch()
    say("score")
    return [trained, scoring.score_inbox(return_state=True)]


def _verdict(trained: State[Any], scores: Path, place: Path) -> list[str]:
    """Give the outcome in three lines, then the places of the files, in 80 columns if ``place`` is short."""
    from pipeline.registry import versions
    from pipeline.reports import batch as report
    from pipeline.reports import training
    from pipeline.scoring import manifest
    from pipeline.scoring.export import SCORES

    champion, written = versions.find(versions.CHAMPION), manifest.read(scores)
    figures = champion.metrics
    accuracy = f"{figures['accuracy']:.4f} of {figures['images']} test images of {figures['dataset']}"
    counts = ", ".join(f"{count} {status}" for status, count in written.statuses.items()) if written else "none"
    places = {
        "report": scores / report.NAME,
        "model": layout.MODEL,
        "metrics": layout.METRICS,
        "training": training.PAGE,
        "Data Docs": layout.VALIDATION / layout.DATA_DOCS / "index.html",
        "log": LOG,
    }
    return [
        "",
        f"model     {versions.NAME} {champion.version}, {VERDICTS[trained.name or '']}",
        f"accuracy  {accuracy}; {figures['worst_accuracy']:.4f} when {figures['worst_slice']}",
        f"scores    {place / scores / SCORES}: {counts}",
        "",
        *(f"{what:10}{place / where}" for what, where in places.items()),
        "",
    ]


@contextmanager
def _aside(log: Path) -> Iterator[Say]:
    """Send all that is printed and logged in the block to a file, and give a function that prints to the former place."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    kept = [os.dup(number) for number in (1, 2)]
    try:
        with log.open("wb") as file, os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace", buffering=1) as terminal:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield lambda words: print(words, file=terminal, flush=True)
    finally:
        sys.stdout.flush()
        for number, descriptor in enumerate(kept, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)


def _tell(say: Say, progress: dict[str, Any]) -> None:
    """Say which stage began to run, or which epoch is done."""
    say(progress.get("stage") or "  epoch {done} of {total}: loss {loss:.4f}, {seconds_left:.0f} s left".format(**progress))


if __name__ == "__main__":
    main()
    print("Next: `source .venv/bin/activate`, then `digits score FOLDER` labels scans of yours.")
