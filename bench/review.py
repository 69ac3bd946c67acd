"""What keying a batch brings: ``make bench-review FOLDER``, labelled scans.

Half of FOLDER, chosen by the pictures themselves, is scored. Somebody is simulated who keys, blind, what its labels say: the
doubtful rows, then a random sample until it is enough for a promise. A model learns from what was keyed, and reads the other
half.
"""

import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any

from bench.own import BATCH
from bench.tables import replace_table
from pipeline import layout, params
from pipeline.datasets import own
from pipeline.datasets.own import Own
from pipeline.labelled import choosing
from pipeline.labelled.choosing import Candidate
from pipeline.registry import contents
from pipeline.review import answers as kept
from pipeline.review import learning, summary
from pipeline.review.queue import Mode
from pipeline.review.session import Session
from pipeline.review.summary import Summary
from pipeline.scoring import batch as batches
from pipeline.scoring import run
from pipeline.stages import evaluate, train

SEEDS = 1, 2, 3
SECONDS = 2.0
PROMISE = Mode(error=0.005, sure=0.95)
SCORED, OUT = Path("data/inbox/half"), Path("data/scores/half")


@dataclass(frozen=True)
class Keyed:
    """What was keyed of half of the scans: rows that were right before and after, and the promise."""

    summary: Summary
    wrong: int
    certified_wrong: int


def main() -> None:
    """Score, key, learn, train with each seed in a process of its own, read the other half, and write the table."""
    if len(sys.argv) != 2:
        raise SystemExit("Name a folder of labelled scans: make bench-review FOLDER")
    folder = Path(sys.argv[1]).resolve()
    settings = params.load(layout.PARAMS)
    halves: tuple[list[Candidate], list[Candidate]] = [], []
    for one in choosing.of_folder(folder, settings.score, print, lambda *_: None):
        if one.scan and not one.reason:
            halves[one.scan.key >= own.KEYS // 2].append(one)
    with tempfile.TemporaryDirectory() as root, chdir(_project(Path(root))):
        keyed = key(folder, halves[0])
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            before = pool.submit(measure, halves[1], layout.MODEL).result()
        after = []
        for seed in SEEDS:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                after.append(pool.submit(learned, halves[1], seed).result())
                print(seed, after[-1], flush=True)
    replace_table(f"review {folder.name}", "\n".join(_table(folder.name, halves, keyed, before, after)))


def key(folder: Path, half: list[Candidate]) -> Keyed:
    """Score half of the scans, and key the doubtful rows and the sample that a promise takes."""
    settings = params.load(layout.PARAMS).score
    truth = {one.scan.key: str(one.label) for one in half if one.scan}
    for path in (os.fsdecode(one.scan.path) for one in half if one.scan):
        (SCORED / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / path, SCORED / path)
    model = contents.of_workspace("workspace")
    run.score(batches.prepare(SCORED, OUT, model, settings), model, lambda _: None)
    for mode in (Mode(is_blind=True), PROMISE):
        session = Session(OUT, "labels", mode, settings)
        while _goes_on(session) and (found := session.next(1)):
            item, _ = found[0]
            session.answer(item.picture, item.look, truth[item.picture >> 31], SECONDS, os.urandom(8).hex())
    with kept.opened(OUT) as answers:
        answers.remember(summary.PROMISE, f"{PROMISE.error} {PROMISE.sure}")
        outcome = summary.of_batch(answers)
        rows = answers.execute("select pixels >> 31, label, confidence from scores.row where label is not null").fetchall()
    least = outcome.promise.minimum / 10_000 if outcome.promise and outcome.promise.rows else 2
    wrong = [confidence for picture, label, confidence in rows if truth[picture] != str(label)]
    print(*outcome.lines, sep="\n", flush=True)
    return Keyed(outcome, len(wrong), sum(confidence >= least for confidence in wrong))


def learned(half: list[Candidate], seed: int) -> dict[str, Any]:
    """Train on what was keyed, and read the other half."""
    settings = params.load(layout.PARAMS)
    learning.learn(OUT, settings.score)
    scans = choosing.to_learn_from(choosing.find(layout.LABELLED, settings.score, print, lambda *_: None), settings.collect)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model")
        train.run(model, Path(folder, "curves.csv"), scans, settings.train.model_copy(update={"seed": seed}))
        return measure(half, model)


def measure(half: list[Candidate], model: Path) -> dict[str, Any]:
    """Read scans with a model: its ``accuracy``, the share that is ``ok``, and what of it is right."""
    settings = params.load(layout.PARAMS)
    scans: Own = choosing.to_learn_from(half, settings.collect)
    classifier, temperature = evaluate.load(model)
    found = evaluate.measure_own(scans, classifier, temperature, BATCH, settings.score.minimum_confidence)
    return {name: found[name] for name in ("accuracy", "ok_right", "ok")}


def _goes_on(session: Session) -> bool:
    """Tell whether the person goes on: through all that is doubtful, and for a promise until one holds, or none can."""
    promise = session.state().promise
    return promise is None or not (promise.rows or promise.more is None)


def _project(root: Path) -> Path:
    """Make a project that has the data and the model of this one."""
    for name in (layout.PARAMS, layout.STAGES, layout.ARRAYS, layout.MODEL, layout.METRICS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(name.resolve())
    return root


def _table(
    name: str, halves: tuple[list[Candidate], ...], keyed: Keyed, before: dict[str, Any], after: list[dict[str, Any]]
) -> list[str]:
    rows = keyed.summary.rows
    spent, all_of_them = (summary.duration(SECONDS * pictures) for pictures in (keyed.summary.pictures, rows))
    each = partial("{:.2%}".format)
    lines = [
        f"{name}: {rows:,} scans to key, of which {keyed.wrong} were read wrong; {len(halves[1]):,} others to read.",
        "",
        f"Keyed: {keyed.summary.pictures:,} of {rows:,} pictures, {spent} at {SECONDS:g} s each; all would take {all_of_them}.",
    ]
    if keyed.summary.promise:
        promised = summary.promise_words(keyed.summary.promise)
        lines[-1] += f" The promise: {promised}; of those {keyed.certified_wrong} were wrong."
    lines += ["", "| the other half | right | right of `ok` | `ok` |", "|---|---|---|---|"]
    lines.append("| the model before | " + " | ".join(each(before[column]) for column in before) + " |")
    means = [f"{mean(one[column] for one in after):.2%} ({', '.join(each(one[column]) for one in after)})" for column in before]
    return [*lines, f"| learned from what was keyed | {' | '.join(means)} |"]


if __name__ == "__main__":
    main()
