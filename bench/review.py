"""What keying a batch brings: ``make bench-review FOLDER [OTHER…]``, labelled scans.

Half of FOLDER, chosen by the pictures themselves, is scored. Somebody is simulated who keys, blind, what its labels say: the
doubtful rows, then a random sample until it is enough for a promise. A model learns from what was keyed, and reads the other
half. How many rows of every folder have to be keyed for a promise is told too.
"""

import os
import shutil
import sys
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from bench.own import BATCH, apart
from bench.tables import replace_table
from pipeline import layout, params
from pipeline.datasets import own
from pipeline.datasets.own import Own
from pipeline.labelled import choosing
from pipeline.labelled.choosing import Candidate
from pipeline.quality.readings import Reader
from pipeline.registry import contents
from pipeline.review import answers as kept
from pipeline.review import learning, promise, summary
from pipeline.review.answers import FIRST, Answer
from pipeline.review.promise import Ints, Promise
from pipeline.review.queue import Mode
from pipeline.review.sample import TEN_THOUSANDTHS
from pipeline.review.session import Session
from pipeline.review.summary import Summary
from pipeline.scoring import batch as batches
from pipeline.scoring import run
from pipeline.stages import evaluate, train

SEEDS = 1, 2, 3
SECONDS = 2.0
PROMISE = Mode(error=0.005, sure=0.95)
ERRORS = 0.005, 0.01, 0.02
SAMPLES = 25
PROMISES = [
    "| folder | rows | wrong | error | possible | keyed | certified | with twice as many | never |",
    "|---|---|---|---|---|---|---|---|---|",
]
SCORED, OUT = Path("data/inbox/half"), Path("data/scores/half")


@dataclass(frozen=True)
class Keyed:
    """What was keyed of half of the scans: rows that were right before and after, and the promise."""

    summary: Summary
    wrong: int
    certified_wrong: int


def main() -> None:
    """Score, key, learn, train with each seed in a process of its own, read the other half, and write the table."""
    if len(sys.argv) < 2:
        raise SystemExit("Name a folder of labelled scans: make bench-review FOLDER [OTHER...]")
    folders = [Path(folder).resolve() for folder in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as root, chdir(_project(Path(root))):
        promises = [line for folder in folders for line in promised(folder)]
    replace_table("promises", "\n".join([*PROMISES, *promises]))
    halves: tuple[list[Candidate], list[Candidate]] = [], []
    for one in _read(folders[0]):
        halves[_key(one) >= own.KEYS // 2].append(one)
    with tempfile.TemporaryDirectory() as root, chdir(_project(Path(root))):
        keyed = key(folders[0], halves[0])
        outcomes = {"the model before": [apart(measure, halves[1], layout.MODEL)]}
        outcomes["learned from what was keyed"] = [apart(learned, halves[1], seed) for seed in SEEDS]
        key_all(halves[0])
        outcomes["learned from all"] = [apart(learned, halves[1], seed) for seed in SEEDS]
    replace_table(f"review {folders[0].name}", "\n".join(_table(folders[0].name, halves, keyed, outcomes)))


def promised(folder: Path) -> Iterator[str]:
    """Score a folder, and tell how many rows of it have to be keyed for a promise, by many samples."""
    scans = _read(folder)
    truth = {_key(one): str(one.label) for one in scans}
    _score(folder, scans)
    with kept.opened(OUT) as answers:
        query = f"select pixels >> 31, label, {TEN_THOUSANDTHS} from scores.row where label is not null"  # noqa: S608 - ours
        rows = answers.execute(query).fetchall()
    shutil.rmtree(OUT)
    shutil.rmtree(SCORED)
    confidences = np.array([confidence for _, _, confidence in rows])
    wrong = np.array([truth[picture] != str(label) for picture, label, _ in rows])
    order = np.argsort(-confidences, kind="stable")
    sets = promise.sets(Counter(confidences.tolist()))
    for error in ERRORS:
        shares = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
        possible = np.flatnonzero(shares <= error)[-1] + 1
        found = []
        for seed in range(SAMPLES):
            drawn = np.random.default_rng(seed).permutation(len(rows))

            def after(count: int, drawn: Ints = drawn, error: float = error) -> Promise:
                some = drawn[:count]
                return promise.promise(sets, confidences[some], wrong[some], error, PROMISE.sure)

            first = bisect_left(range(len(rows)), True, key=lambda count: after(count).rows > 0)
            found.append((first, after(first).rows, after(min(len(rows), 2 * first)).rows))
        first, then, later = (median(column) for column in zip(*found, strict=True))
        none = sum(not rows for _, rows, _ in found)
        yield (
            f"| {folder.name} | {len(rows):,} | {wrong.mean():.2%} | {error:.1%} | {possible / len(rows):.2f} | {first:,.0f} "
            f"| {then / len(rows):.2f} | {later / len(rows):.2f} | {none} of {SAMPLES} |"
        )


def key(folder: Path, half: list[Candidate]) -> Keyed:
    """Score half of the scans, and key the doubtful rows and the sample that a promise takes."""
    truth = {_key(one): str(one.label) for one in half}
    _score(folder, half)
    for mode in (Mode(is_blind=True), PROMISE):
        _sit(mode, truth)
    with kept.opened(OUT) as answers:
        answers.remember(summary.PROMISE, f"{PROMISE.error} {PROMISE.sure}")
        outcome = summary.of_batch(answers)
        rows = answers.execute("select pixels >> 31, label, confidence from scores.row where label is not null").fetchall()
    least = outcome.promise.minimum / 10_000 if outcome.promise and outcome.promise.rows else 2
    wrong = [confidence for picture, label, confidence in rows if truth[picture] != str(label)]
    print(*outcome.lines, sep="\n", flush=True)
    return Keyed(outcome, len(wrong), sum(confidence >= least for confidence in wrong))


def key_all(half: list[Candidate]) -> None:
    """Key all that is left."""
    truth = {_key(one): str(one.label) for one in half}
    with kept.opened(OUT) as answers, answers.together():
        left = "not exists (select 1 from keyed where picture = pixels)"
        query = f"select pixels, path, page from scores.row where {left} group by pixels"  # noqa: S608 - ours
        for picture, path, page in answers.execute(query).fetchall():
            value = truth[picture >> 31]
            answers.add(Answer(os.urandom(8).hex(), picture, FIRST, value, value, True, "labels", SECONDS, path, page))


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
    found = evaluate.measure_own(scans, Reader(*evaluate.load(model), BATCH, settings.score.minimum_confidence))
    return {name: found[name] for name in ("accuracy", "ok_right", "ok")}


def _read(folder: Path) -> list[Candidate]:
    """Read the labelled scans of a folder that a model could learn from."""
    settings = params.load(layout.PARAMS).score
    return [one for one in choosing.of_folder(folder, settings, print, lambda *_: None) if one.scan and not one.reason]


def _key(one: Candidate) -> int:
    return one.scan.key if one.scan else 0


def _score(folder: Path, some: list[Candidate]) -> None:
    for path in (os.fsdecode(one.scan.path) for one in some if one.scan):
        (SCORED / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / path, SCORED / path)
    model = contents.of_workspace("workspace")
    run.score(batches.prepare(SCORED, OUT, model, params.load(layout.PARAMS).score), model, lambda _: None)


def _sit(mode: Mode, truth: dict[int, str]) -> None:
    """Key what the labels say."""
    session = Session(OUT, "labels", mode, params.load(layout.PARAMS).score)
    while _goes_on(session) and (found := session.next(1)):
        item, _ = found[0]
        session.answer(item.picture, item.look, truth[item.picture >> 31], SECONDS, os.urandom(8).hex())


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
    name: str, halves: tuple[list[Candidate], ...], keyed: Keyed, outcomes: dict[str, list[dict[str, Any]]]
) -> list[str]:
    rows = keyed.summary.rows
    spent, all_of_them = (summary.duration(SECONDS * pictures) for pictures in (keyed.summary.pictures, rows))
    lines = [
        f"{name}: {rows:,} scans to key, of which {keyed.wrong} were read wrong; {len(halves[1]):,} others to read.",
        "",
        f"Keyed: {keyed.summary.pictures:,} of {rows:,} pictures, {spent} at {SECONDS:g} s each; all would take {all_of_them}.",
    ]
    if keyed.summary.promise:
        promised = summary.promise_words(keyed.summary.promise)
        lines[-1] += f" The promise: {promised}" + f"; {keyed.certified_wrong} of those were wrong." * bool(
            keyed.summary.promise.rows
        )
    lines += ["", "| the other half | right | right of `ok` | `ok` |", "|---|---|---|---|"]
    for what, found in outcomes.items():
        cells = []
        for column in found[0]:
            each = f" ({', '.join(f'{one[column]:.2%}' for one in found)})" if len(found) > 1 else ""
            cells.append(f"{mean(one[column] for one in found):.2%}{each}")
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
