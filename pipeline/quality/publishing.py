"""What validation found, for programs and for people: ``report.json``, and a page that needs nothing but itself."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2

from pipeline import atomic, layout
from pipeline.digits.arrays import Gray
from pipeline.errors import PipelineError
from pipeline.names import counted, shown
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
        images = ", ".join(counted(len(split.images), f"{split.name} image") for split in splits)
        findings = checks.check(suites, temporary / layout.DATA_DOCS, dataset, images or "no image was read")
        _write(temporary, dataset, splits, findings)
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
            f"the data is not valid: {'; '.join(critical[:MOST_NAMED])}{more}. See {shown(page)}; mend the data, or its bounds "
            f"in params.yaml, and run again."
        )
    counts = findings.counts()
    warnings = [f"warning: {one}" for one in findings.failures]
    return [*warnings, f"validate: {counted(counts['passed'], 'expectation')} hold, {counted(counts['warnings'], 'warning')}"]


def _write(folder: Path, dataset: str, splits: list[Split], findings: Findings) -> None:
    """Write the report, its page, and ``verdict.json``. A finding that failed has its rows, with their thumbnails."""
    from jinja2 import Environment, FileSystemLoader

    named = {row["name"] for finding in findings.failures for row in finding.offending}
    thumbnails = {
        name: {"thumbnail": _png(image)}
        for split in splits
        for name, image in zip(split.image_names, split.images, strict=True)
        if name in named
    }

    def seen(finding: Finding) -> dict[str, Any]:
        rows = [] if finding.success else finding.offending
        return asdict(finding) | {"offending": [row | thumbnails.get(row["name"], {}) for row in rows]}

    images = {split.name: len(split.images) for split in splits}
    head = {"dataset": dataset, "images": images, "highest_severity": findings.severity or None, **findings.counts()}
    report = {**head, "expectations": [seen(one) for one in findings.each]}
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    page = environment.get_template(TEMPLATE).render(
        head=head,
        failed=[seen(one) for one in findings.failures],
        passed=[seen(one) for one in findings.each if one.success],
        docs=f"{layout.DATA_DOCS}/index.html",
    )
    atomic.write_text(folder / layout.REPORT, json.dumps(report, indent=2) + "\n")
    atomic.write_text(folder / layout.VERDICT, json.dumps(head, indent=2) + "\n")
    atomic.write_text(folder / layout.REPORT_PAGE, page)


def _png(image: Gray) -> str:
    _, content = cv2.imencode(".png", image)
    return f"data:image/png;base64,{base64.b64encode(content.tobytes()).decode()}"
