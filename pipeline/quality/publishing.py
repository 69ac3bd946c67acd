"""What validation found, for programs and for people: ``report.json``, and a page that needs nothing but itself."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2

from pipeline import atomic, layout
from pipeline.digits.arrays import Gray
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.quality import checks
from pipeline.quality.checks import Finding, Findings
from pipeline.quality.expectations import Suite
from pipeline.quality.tables import Split

TEMPLATE = "report.html.jinja"
MOST_NAMED = 4


def publish(folder: Path, dataset: str, splits: list[Split], suites: Sequence[Suite]) -> Findings:
    """Check the suites, and write report, verdict and Data Docs into ``folder``, in one step. Raises PipelineError.

    The same data gives the same bytes.
    """
    with atomic.replacing(folder) as temporary:
        findings = checks.check(suites, temporary / layout.DATA_DOCS)
        Report(dataset, splits, findings).write(temporary)
        if not (temporary / layout.DATA_DOCS / "index.html").is_file():
            raise PipelineError(
                f"{shown(folder / layout.DATA_DOCS)}: could not be written. Make room on the disk and run again."
            )
    return findings


def conclude(findings: Findings, page: Path) -> list[str]:
    """Say what validation found, a line for each warning. Raises PipelineError that names what stops the run."""
    critical = [str(one) for one in findings.failures if one.is_critical]
    if critical:
        more = f"; and {len(critical) - MOST_NAMED} more" if len(critical) > MOST_NAMED else ""
        raise PipelineError(
            f"the data is not valid: {'; '.join(critical[:MOST_NAMED])}{more}. See {shown(page)}; mend the data, or the bounds "
            f"under `validate` in params.yaml, and run again."
        )
    warnings = [f"warning: {one}" for one in findings.failures]
    return [*warnings, "validate: {passed} expectations hold, {warnings} warnings".format(**findings.counts())]


@dataclass(frozen=True)
class Report:
    """The findings on a data set, for the pages and files about it."""

    dataset: str
    splits: list[Split]
    findings: Findings

    def write(self, folder: Path) -> None:
        """Write it into ``folder``: the report, its page, and ``verdict.json``."""
        atomic.write_text(folder / layout.REPORT, json.dumps(self._as_json(), indent=2) + "\n")
        atomic.write_text(folder / layout.VERDICT, json.dumps(self._head(), indent=2) + "\n")
        atomic.write_text(folder / layout.REPORT_PAGE, self._as_page())

    def _head(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "images": {split.name: len(split.images) for split in self.splits},
            "highest_severity": self.findings.severity or None,
            **self.findings.counts(),
        }

    def _as_json(self) -> dict[str, Any]:
        return {**self._head(), "expectations": [self._shown(one) for one in self.findings.each]}

    def _as_page(self) -> str:
        from jinja2 import Environment, FileSystemLoader

        environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
        return environment.get_template(TEMPLATE).render(
            head=self._head(),
            failed=[self._shown(one) for one in self.findings.failures],
            passed=[self._shown(one) for one in self.findings.each if one.success],
            docs=f"{layout.DATA_DOCS}/index.html",
        )

    def _shown(self, finding: Finding) -> dict[str, Any]:
        """Give a finding with the thumbnails of its rows, where these are images, and without rows where it passed."""
        rows = [] if finding.success else finding.offending
        return asdict(finding) | {
            "offending": [
                row | ({"thumbnail": self._thumbnails[row["name"]]} if row["name"] in self._thumbnails else {}) for row in rows
            ]
        }

    @cached_property
    def _thumbnails(self) -> dict[str, str]:
        """The images that break an expectation, by name, as data that a page can show."""
        named = {row["name"] for finding in self.findings.failures for row in finding.offending}
        return {
            name: _png(image)
            for split in self.splits
            for name, image in zip(split.image_names, split.images, strict=True)
            if name in named
        }


def _png(image: Gray) -> str:
    _, content = cv2.imencode(".png", image)
    return f"data:image/png;base64,{base64.b64encode(content.tobytes()).decode()}"
