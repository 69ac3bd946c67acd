"""Checking expectations with Great Expectations, one by one, and writing its Data Docs."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.names import shown
from pipeline.quality import data_docs
from pipeline.quality.expectations import CRITICAL, Suite

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

NAMED_ROWS = 20
SHOWN_ROWS = 3
LIMITS = {"at least": "min_value", "at most": "max_value"}


@dataclass(frozen=True)
class Finding:
    """What became of one expectation of a column: how many of the ``count`` rows of ``suite`` break it, and the first twenty.

    ``offending``: the ``name`` and ``value`` of each of these, and its ``label`` where it has one. A share ``tolerated_share``
    of the rows, 0 to 1, may break it.
    """

    suite: str
    expectation: str
    column: str
    severity: str
    why: str
    success: bool
    count: int
    offending_count: int
    tolerated_share: float
    offending: list[dict[str, Any]]

    @property
    def is_critical(self) -> bool:
        """Tell whether it failed and stops the run."""
        return not self.success and self.severity == CRITICAL

    def __str__(self) -> str:
        """Say it on one line, with the first three rows."""
        rows = ", ".join(f"{shown(row['name'])} = {_short(row['value'])}" for row in self.offending[:SHOWN_ROWS])
        tolerated = f" (allowed: {self.tolerated_share:.1%})" if self.tolerated_share else ""
        return (
            f"{self.expectation}: {self.offending_count} of {self.count} {self.suite} break it{tolerated}, "
            f"first {rows}: {self.why}"
        )


@dataclass(frozen=True)
class Findings:
    """What became of all expectations. ``severity``: the highest that failed, ``critical`` or ``warning``, or an empty text."""

    each: list[Finding]
    severity: str

    @property
    def failures(self) -> list[Finding]:
        """Give what failed, the critical first."""
        return sorted((one for one in self.each if not one.success), key=lambda one: not one.is_critical)

    def counts(self) -> dict[str, int]:
        """Count what passed, and what failed by its severity."""
        critical = sum(one.is_critical for one in self.each)
        return {
            "passed": len(self.each) - len(self.failures),
            "warnings": len(self.failures) - critical,
            "critical": critical,
        }


def check(suites: Sequence[Suite], docs: Path | None = None, dataset: str = "", about: str = "") -> Findings:
    """Check every expectation of the suites; write Data Docs, a static site, into the folder ``docs``.

    ``dataset``: its name; ``about``: how many images it has, in words.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    import great_expectations as gx
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.validator.validation_statistics import calc_validation_statistics

    # Where Great Expectations cannot write, it logs a traceback and goes on; the caller checks whether the site is there.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("features")
    checked = []
    for suite in suites:
        frames = source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("all")
        checked += [_check(suite, one, expectation, frames) for one, expectation in suite.expectations.items()]
    results = [result for result, _ in checked]
    statistics = calc_validation_statistics(results)._asdict()
    success, meta = statistics.pop("success"), {"great_expectations_version": gx.__version__}
    validation = ExpectationSuiteValidationResult(
        success=success, results=results, suite_name=data_docs.DATA, statistics=statistics, meta=meta
    )
    if docs:
        each = [one for suite in suites for one in suite.expectations.values()]
        data_docs.write(context, validation, each, docs, dataset, about)
    worst = validation.get_max_severity_failure()
    return Findings([finding for _, finding in checked], worst.value if worst else "")


def _check(
    suite: Suite, name: str, expectation: "Expectation", frames: "BatchDefinition[Any]"
) -> tuple["ExpectationValidationResult", Finding]:
    from great_expectations.expectations.metadata_types import FailureSeverity

    column = expectation.column
    severity = FailureSeverity(expectation.severity).value
    expectation.description = f"{name}, {suite.name} ({severity}): {expectation.notes}; {_bounds(expectation)}"
    batch = frames.get_batch({"dataframe": suite.table[[column]]})
    result = batch.validate(expectation, result_format={"result_format": "SUMMARY", "partial_unexpected_count": NAMED_ROWS})
    if "unexpected_count" not in result.result:
        raise RuntimeError(f"{name} could not be checked: {result.exception_info}")
    rows = suite.table.loc[result.result["partial_unexpected_index_list"]]
    offending = rows.assign(value=rows[column]).filter(["name", "value", "label"]).to_dict("records")
    if result.success:
        # What is tolerated is no fault, and not listed as one.
        result.result["partial_unexpected_list"] = result.result["partial_unexpected_counts"] = []
    elif offending:
        result.result["unexpected_index_column_names"] = ["name"]
        result.result["unexpected_list"] = [row["value"] for row in offending]
        result.result["unexpected_index_list"] = [{"name": row["name"], column: row["value"]} for row in offending]
    finding = Finding(
        suite=suite.name,
        expectation=name,
        column=column,
        severity=severity,
        why=str(expectation.notes),
        success=bool(result.success),
        count=len(suite.table),
        offending_count=int(result.result["unexpected_count"]),
        tolerated_share=round(1 - expectation.mostly, 6),
        offending=offending,
    )
    return result, finding


def _bounds(expectation: "Expectation") -> str:
    """Say in words what is allowed."""
    bounds = expectation.dict()
    limits = [f"{word} {bounds[key]:g}" for word, key in LIMITS.items() if bounds.get(key) is not None]
    tolerated = f"{1 - bounds['mostly']:.1%}" if bounds["mostly"] < 1 else ""
    if not limits:
        return f"at most {tolerated} allowed" if tolerated else "none allowed"
    return " and ".join(limits) + (f", for all but {tolerated}" if tolerated else "")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else shown(str(value))
