"""Stage ``collect``: read a user's own labelled scans, hold them to the expectations, and keep what models can learn from."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import atomic, layout, params, stages
from pipeline.datasets import own, raw
from pipeline.datasets.own import Own
from pipeline.labelled import choosing
from pipeline.labelled.choosing import Candidate
from pipeline.params import Collect, Params, Validate
from pipeline.scoring.row import csv_lines

if TYPE_CHECKING:
    from pipeline.quality.checks import Findings

PROGRESS = "{done} of {total} scans of a folder read, {minutes_left:.1f} minutes left"
NAME, SPLIT = "own scans", "own"


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    run(layout.LABELLED, layout.RAW, layout.COLLECTED, layout.OWN, params.load(layout.PARAMS))


def run(place: Path, raw_folder: Path, report_folder: Path, own_file: Path, settings: Params) -> None:
    """Write the scans below ``place`` that are not left out into ``own_file``, and what became of each into ``report_folder``.

    Raises PipelineError naming what is broken, and the first scans.
    """
    found = choosing.find(place, settings.score, print, _tell)
    if found:
        found = choosing.leave_out(found, raw.read(raw_folder).test_images, settings.collect.test_share)
    scans, summary = choosing.to_learn_from(found, settings.collect), choosing.summarise(found, settings.collect)
    with atomic.replacing(report_folder) as temporary:
        temporary.mkdir()
        findings = _check(temporary, found, scans, settings) if found else None
        atomic.write_text(temporary / layout.SUMMARY, json.dumps(summary, indent=2) + "\n")
        _write_left_out(temporary / layout.LEFT_OUT, found)
    if findings:
        from pipeline.quality import publishing

        print(*publishing.conclude(findings, report_folder / layout.REPORT_PAGE), sep="\n")
    own.write(own_file, scans)
    print(describe(summary, place))


def describe(summary: dict[str, Any], place: Path) -> str:
    """Say what the scans are used for."""
    if not summary["scans"]:
        return f"collect: no labelled scans in {place}"
    used = "{scans:,} scans: {train:,} to train on, {validation:,} to validate, {test:,} to test; {left_out:,} left out"
    none = f"; {summary['no_digit']:,} that show no digit" * bool(summary["no_digit"])
    return f"collect: {used.format(**summary)}{none}"


def bounds_of(own_scans: int, settings: Collect, bounds: Validate) -> Validate:
    """Give the bounds that own scans are held to: they may be few, or of some digits alone, since others are learned with them.

    Of fewer than ``minimum_images``, a share tells nothing.
    """
    tolerant = {"minimum_images": 1, "minimum_class_share": 0.0, "maximum_stray_share": settings.maximum_stray_share}
    if own_scans < bounds.minimum_images:
        tolerant |= {"maximum_stray_share": 1.0, "maximum_disagreement": 1.0, "maximum_turned_gain": 1.0}
    return bounds.model_copy(update=tolerant)


def _check(folder: Path, found: list[Candidate], scans: Own, settings: Params) -> "Findings":
    """Hold scans to the expectations, and write report and Data Docs into ``folder``."""
    from pipeline.quality import expectations, publishing, reference, tables
    from pipeline.quality.tables import Split

    every = [(one.name, one.reason or None) for one in found]
    suites = [expectations.of_left_out(every, settings.collect.maximum_left_out_share)]
    splits = []
    if names := sorted(one.name for one in found if not one.reason and one.label != own.LABEL_OF_NONE):
        is_digit = scans.parts != own.NO_DIGIT
        splits = [Split(SPLIT, scans.images[is_digit, ..., 0], scans.labels[is_digit], names)]
        bounds = bounds_of(len(names), settings.collect, settings.validate)
        suites += expectations.of_labelled(tables.describe(splits, reference.load(NAME), {}), bounds, is_known=False)
    return publishing.publish(folder, NAME, splits, suites)


def _write_left_out(file: Path, found: list[Candidate]) -> None:
    with atomic.replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as lines:
        lines.writelines(csv_lines([("scan", "reason"), *((one.name, one.reason) for one in found if one.reason)]))


def _tell(done: int, total: int, seconds_left: float) -> None:
    stages.tell(PROGRESS, {"done": done, "total": total, "minutes_left": seconds_left / 60})


if __name__ == "__main__":
    stages.run_as_process("collect", main)
