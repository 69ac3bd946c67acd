"""What came of keying a batch: in words, in its manifest and in its report."""

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import exclusive
from pipeline.labelled.labels import NO_DIGIT
from pipeline.names import counted, shown
from pipeline.reports import batch as report
from pipeline.review import answers as kept
from pipeline.review import pictures, sample
from pipeline.review.answers import Agreement, Answers, agreement, words_of
from pipeline.review.promise import Promise
from pipeline.review.session import State
from pipeline.scoring import export
from pipeline.scoring import manifest as manifests
from pipeline.scoring.row import name_in_csv
from pipeline.scoring.run import LOCK_FILE
from pipeline.scoring.store import opened as store_opened

# What a person asked to be promised, in the settings of the answers.
PROMISE = "promise"
MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Summary:
    """Of ``rows``, ``doubtful`` are for review, ``doubtful_keyed`` of them and ``keyed`` of all were keyed.

    ``otherwise`` of these have another label than was read, ``no_digit`` show none; ``waiting`` wait for another look.
    ``seconds`` were spent on ``pictures``.
    """

    rows: int
    doubtful: int
    doubtful_keyed: int
    keyed: int
    otherwise: int
    no_digit: int
    waiting: int
    pictures: int
    seconds: float
    agreement: Agreement | None
    promise: Promise | None

    @property
    def lines(self) -> list[str]:
        """Say it."""
        if not self.keyed:
            return ["nothing is keyed yet"]
        each = self.seconds / self.pictures
        lines = [
            f"{self.doubtful_keyed:,} of {self.doubtful:,} doubtful rows keyed, {self.keyed - self.doubtful_keyed:,} others",
            f"{self.otherwise:,} otherwise than they were read, {self.no_digit:,} as no digit",
            f"{counted(self.pictures, 'picture')} in {duration(self.seconds)}, {each:.1f} s each",
            f"keying all {self.rows:,} would take {duration(each * self.rows)}",
        ]
        if self.waiting:
            lines.append(f"{self.waiting:,} wait for another look")
        if self.agreement:
            lines.append(agreement_words(self.agreement))
        if self.promise:
            lines.append(promise_words(self.promise))
        return lines

    def as_shown(self) -> dict[str, Any]:
        """Give what the manifest says."""
        found = asdict(self) | {"agreement": self.agreement and self.agreement._asdict()}
        return {name: value for name, value in found.items() if value is not None} | {"words": self.lines}


def of_batch(answers: Answers) -> Summary:
    """Count what was keyed."""
    counts = answers.execute(
        "select count(*), total(status = 'review'), total(status = 'review' and keyed.picture is not null),"
        " count(keyed.picture), total(value is not null and value <> coalesce(cast(label as text), :none)),"
        " total(value = :none), count(waits)"
        " from scores.row left join keyed on keyed.picture = pixels and pixels <> 0",
        {"none": NO_DIGIT},
    ).fetchone()
    pictures, seconds = answers.execute("select count(*), total(seconds) from keyed").fetchone()
    rows, doubtful, doubtful_keyed, keyed, otherwise, no_digit, waiting = map(int, counts)
    of_rows = rows, doubtful, doubtful_keyed, keyed, otherwise, no_digit, waiting
    return Summary(*of_rows, pictures, seconds, agreement(answers), promised(answers))


def promised(answers: Answers) -> Promise | None:
    """Say what is promised, if a person asked for that."""
    asked = answers.recall(PROMISE)
    if asked is None:
        return None
    error, sure = map(float, asked.split())
    return sample.promised(answers, sample.draw(answers), error, sure)


def promise_words(promise: Promise) -> str:
    """Say what is promised, or that nothing is; and what is missing for more."""
    if not promise.total:
        return "no row has a label that could be certified"
    bound = f"{percent(promise.error)} wrong, {percent(promise.sure)} sure, by {promise.keyed:,} keyed"
    if promise.rows:
        words = f"of {promise.total:,} rows {promise.rows:,} are certified: at most {bound}"
    elif promise.more:
        words = f"of {promise.total:,} rows none is certified yet to be at most {bound}"
    else:
        return f"of {promise.total:,} rows not even the surest half can be certified to be at most {bound}"
    if promise.more:
        words += f"; {promise.more:,} more without a wrong one certify {promise.next_rows:,}"
    elif promise.rows < promise.total:
        words += "; no number would certify more"
    return words + (f", {promise.tighter:,} more at most {percent(promise.error / 2)}" if promise.tighter else "")


def agreement_words(found: Agreement) -> str:
    """Say how two readers agree."""
    share = percent(found.same / found.pictures)
    return f"two readers agree on {found.same:,} of {found.pictures:,} pictures ({share}, Cohen's kappa {found.kappa:.2f})"


def of_state(out: Path, state: State) -> list[str]:
    """Say on the page what else a person should know."""
    words = [] if state.is_scored else ["The batch is being scored just now: some pictures may come later."]
    if state.unseen:
        words.append(
            f"{counted(state.unseen, 'picture')} went away or changed since they were scored: score {shown(out.name)} again."
        )
    if state.promise:
        words.append(promise_words(state.promise))
    return words


def percent(share: float) -> str:
    """Write a share as a percentage."""
    return f"{100 * share:.4g} %"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def publish(out: Path) -> Summary:
    """Write what came of keying into manifest and report, and give it. Raises PipelineError while a run of scoring works."""
    busy = f"{shown(out)}: a run is writing its scores here. Wait for it, and run `digits review {shown(out.name)} --summary`."
    with kept.opened(out) as answers, exclusive.held(out / LOCK_FILE, busy), store_opened(out) as store:
        summary = of_batch(answers)
        last = manifests.read(out)
        if last is None or not (summary.keyed or last.review):
            return summary
        manifest = replace(last, review=summary.as_shown() if summary.keyed else {})
        fault = manifest.report_fault
        if (out / report.NAME).exists():
            _, counted = export.count_rows(store, manifest.files)
            folder = Path(os.fsdecode(pictures.source(answers)))
            fault = export.write_report(store, out, folder, lambda: manifest, manifest.rows, counted, reviewed(answers))
        manifests.write(out, replace(manifest, report_fault=fault))
    return summary


def reviewed(answers: Answers) -> dict[str, list[str]]:
    """Give what was keyed and by whom, by page and name, as the report knows a row."""
    query = "select row.path, row.page, value, last_reader from scores.row join keyed on keyed.picture = pixels and pixels <> 0"
    return {
        f"{page}/{name_in_csv(path)}": [words_of(value) if value else "another look", reader]
        for path, page, value, reader in answers.execute(query)
    }
