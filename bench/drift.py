"""How often batches are called drifted that are not, and that are; and what estimated shares are worth: ``make bench-quality``.

Two folders of scans may follow, the first with labels: the model then has own test scans of that, and the other comes in its
place. Needs MNIST in ``data/arrays.npz``, and the model. Scores folders as ever, and draws batches from their rows.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bench.tables import replace_table
from pipeline import layout, params
from pipeline.datasets import dataset
from pipeline.digits.arrays import Doubles, Floats, Gray, Labels
from pipeline.digits.pictures import trust
from pipeline.labelled import choosing
from pipeline.params import Params
from pipeline.quality import drift, prevalence, profile
from pipeline.quality.profile import Profile, Sample
from pipeline.quality.readings import Reader
from pipeline.registry import contents
from pipeline.registry.contents import ScoringModel
from pipeline.scoring import batch as batches
from pipeline.scoring import comparison, run
from pipeline.scoring.batch import Options
from pipeline.scoring.row import MOST_COMPARED
from pipeline.scoring.store import opened
from pipeline.stages import evaluate

ROWS, ALARMS, BATCHES = 500, 200, 100
BLANK_SHARE = 0.05
SHARED, SHARES, SEEDS = 1000, (0.1, 0.2, 0.3, 0.4, 0.5), 20
HEAD = "| error of the share of a digit, batches of 1,000 | raw counts | by EM | EM ÷ raw |", "|---|---|---|---|"
FEW, MANY = "at most 2 %", "at least 95 %"
CHANGES: dict[str, Callable[[Gray], Gray]] = {
    "inverted": lambda picture: 255 - picture,
    "blurred": lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), np.uint8),
    "4 times smaller": lambda picture: np.asarray(cv2.resize(picture, (7, 7), interpolation=cv2.INTER_AREA), np.uint8),
}
Chosen = npt.NDArray[np.int64]
Draw = Callable[[np.random.Generator], Chosen]


@dataclass(frozen=True)
class Rows:
    """N rows of scoring: ``values`` (N, 8) and ``probabilities`` (N, 10), zeros where there is no answer, which is then -1."""

    values: Floats
    probabilities: Floats
    answers: Chosen
    statuses: npt.NDArray[np.str_]
    reasons: npt.NDArray[np.str_]

    def sample(self, chosen: Chosen, minimum_confidence: float) -> Sample:
        """Give some of them as scoring gives those of a batch."""
        answers, statuses = self.answers[chosen], Counter(self.statuses[chosen].tolist())
        has_answer = answers >= 0
        kinds = {
            "review": statuses["review"],
            "blank": int((self.reasons[chosen] == trust.BLANK).sum()),
            "unreadable": statuses["error"],
        }
        labels = np.bincount(answers[has_answer], minlength=10)
        return Sample(self.values[chosen][has_answer], labels, len(chosen), kinds, minimum_confidence)


def main() -> None:
    """Measure, and write the tables into docs/benchmarks.md."""
    settings, data = params.load(layout.PARAMS), dataset.read(layout.ARRAYS)
    model = contents.of_workspace("workspace")
    usual = profile.from_bytes(model.profile, model.sha256)
    pictures = [255 - image for image in data.test_images[..., 0]]
    plain = score(pictures, model, settings)
    lines = ["| batches of 500 | bound | called drifted | by, most often |", "|---|---|---|---|"]
    lines.append(_row("MNIST's test images, at random", FEW, plain, any_of(plain), usual, settings, ALARMS))
    for name, change in CHANGES.items():
        changed = score([change(picture) for picture in pictures], model, settings)
        lines.append(_row(f"... {name}", MANY, changed, any_of(changed), usual, settings))
    lines.append(_row("... of one digit twice as many", MANY, plain, doubled(data.test_labels), usual, settings))
    blank = score([*pictures, *[np.full_like(pictures[0], 255)] * ROWS], model, settings)
    lines.append(_row("... 5 % of them blank pages", MANY, blank, some_blank(len(pictures)), usual, settings))
    if len(sys.argv) == 3:
        known = with_own(Path(sys.argv[1]), model.sha256, settings)
        for name, bound, place in zip(("those scans", "other scans in their place"), (FEW, MANY), sys.argv[1:], strict=True):
            files = sorted(path for path in Path(place).iterdir() if path.suffix == ".png")
            scans = score(
                [np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8) for path in files], model, settings
            )
            words = f"a model with own test scans: {name}"
            lines.append(_row(words, bound, scans, any_of(scans), known, settings))
    replace_table("drift", "\n".join(lines))
    table = [*HEAD, *shares(plain, "", data.test_labels, usual.priors)]
    blurred = score([CHANGES["blurred"](picture) for picture in pictures], model, settings)
    replace_table("prevalence", "\n".join([*table, *shares(blurred, ", blurred", data.test_labels, usual.priors)]))


def _row(name: str, bound: str, rows: Rows, draw: Draw, usual: Profile, settings: Params, count: int = BATCHES) -> str:
    limits = settings.score.drift_significance, settings.score.drift_effect
    drawn = (rows.sample(draw(np.random.default_rng(seed)), settings.score.minimum_confidence) for seed in range(count))
    found = [drift.compare(batch, usual, *limits) for batch in drawn]
    drifted = sum(one.verdict == drift.DRIFT for one in found)
    names = Counter(name for one in found for name in one.drifted)
    row = f"| {name} | {bound} | {drifted} of {count} | {', '.join(name for name, _ in names.most_common(3))} |"
    print(row, names, flush=True)
    return row


def any_of(rows: Rows) -> Draw:
    """Draw rows at random."""
    return lambda random: random.choice(len(rows.answers), ROWS, replace=False)


def doubled(labels: Labels) -> Draw:
    """Draw rows of which one digit, each in turn by chance, has twice its share."""

    def draw(random: np.random.Generator) -> Chosen:
        weights = np.where(labels == random.integers(10), 2.0, 1.0)
        share = (weights > 1).mean()
        weights[weights == 1] = (1 - 2 * share) / (1 - share)
        return random.choice(len(labels), ROWS, replace=False, p=weights / weights.sum())

    return draw


def some_blank(pictures: int) -> Draw:
    """Draw pictures, and from the blank pages after them a share."""

    def draw(random: np.random.Generator) -> Chosen:
        blank = round(ROWS * BLANK_SHARE)
        return np.concatenate([random.choice(pictures, ROWS - blank, replace=False), pictures + np.arange(blank)])

    return draw


def shares(rows: Rows, words: str, labels: Labels, priors: Doubles) -> list[str]:
    """Draw batches in which a digit has a known share, and compare the errors of both ways to tell it."""
    lines = []
    every: list[tuple[float, float]] = []
    for share in SHARES:
        errors = []
        for seed in range(SEEDS):
            for digit in range(10):
                random = np.random.default_rng(seed * 10 + digit)
                count = round(SHARED * share)
                of_it, others = (np.flatnonzero((labels == digit) == is_it) for is_it in (True, False))
                chosen = np.concatenate(
                    [random.choice(of_it, count, replace=False), random.choice(others, SHARED - count, replace=False)]
                )
                some = rows.probabilities[chosen]
                is_sure = some.max(axis=1) >= prevalence.SURE
                sure, raw = (np.bincount(one.argmax(axis=1), minlength=10) for one in (some[is_sure], some))
                found = prevalence.estimate(sure.astype(np.float64), some[~is_sure], np.ones(sum(~is_sure)), priors, seed)
                errors.append((abs(raw[digit] / SHARED - share), abs(found.estimated[digit] - share)))
        every += errors
        lines.append(_errors(f"{share:.0%}{words}", errors))
    return [*lines, _errors(f"all{words}", every)]


def _errors(name: str, errors: list[tuple[float, float]]) -> str:
    raw, estimated = (float(np.mean(column)) for column in zip(*errors, strict=True))
    return f"| {name} | {raw:.3%} | {estimated:.3%} | {estimated / raw:.2f} |"


def with_own(folder: Path, model_sha256: str, settings: Params) -> Profile:
    """Give the profile that the model gets where some labelled scans are collected."""
    found = choosing.of_folder(folder, settings.score, print, lambda *_: None)
    scans = choosing.to_learn_from(found, settings.collect)
    reader = Reader(*evaluate.load(layout.MODEL), settings.evaluate.batch_size, settings.score.minimum_confidence)
    return evaluate.profile_of(dataset.read(layout.ARRAYS), scans, reader, model_sha256, settings.evaluate.seed)


def score(pictures: list[Gray], model: ScoringModel, settings: Params) -> Rows:
    """Score pictures as PNG files, in folders so small that all are compared."""
    found = []
    for start in range(0, len(pictures), MOST_COMPARED):
        with tempfile.TemporaryDirectory() as name:
            for number, picture in enumerate(pictures[start : start + MOST_COMPARED]):
                Path(name, f"{number:05d}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
            found.append(score_folder(Path(name), model, settings))
    return Rows(*(np.concatenate([getattr(one, column.name) for one in found]) for column in fields(Rows)))


def score_folder(folder: Path, model: ScoringModel, settings: Params) -> Rows:
    """Score a folder, and read its rows back."""
    with tempfile.TemporaryDirectory() as name:
        batch = batches.prepare(folder, Path(name, "scores"), model, settings.score, Options(report=False))
        run.score(batch, model, lambda _: None)
        with opened(batch.out) as store:
            known, probabilities = comparison.read(store)
            answers, statuses, reasons = zip(
                *store.execute("select coalesce(label, -1), status, reason from row order by path, page"), strict=True
            )
    found = np.array(answers, np.int64)
    values, chances = np.zeros((len(found), 8), np.float32), np.zeros((len(found), 10), np.float32)
    values[found >= 0] = known
    chances[found >= 0] = probabilities
    return Rows(values, chances, found, np.array(statuses), np.array(reasons))


if __name__ == "__main__":
    main()
