"""Stage ``validate``: hold the raw images to the expectations, and stop the run where they break a one."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from pipeline import atomic, layout, params, raw, stages
from pipeline.digits import features
from pipeline.errors import PipelineError
from pipeline.quality import expectations


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    settings = params.load(layout.PARAMS).validate
    run(
        layout.RAW,
        layout.VALIDATION,
        minimum_ink=settings.minimum_ink,
        maximum_ink=settings.maximum_ink,
        minimum_peak=settings.minimum_peak,
        maximum_border=settings.maximum_border,
        minimum_class_share=settings.minimum_class_share,
    )


def run(
    raw_folder: Path,
    folder: Path,
    *,
    minimum_ink: float,
    maximum_ink: float,
    minimum_peak: float,
    maximum_border: float,
    minimum_class_share: float,
) -> None:
    """Write ``report.json`` and Data Docs into ``folder``. Raises PipelineError naming what breaks and the first images."""
    data = raw.read(raw_folder)
    table = describe(data)
    suites = [
        expectations.of_images(
            table,
            minimum_ink=minimum_ink,
            maximum_ink=maximum_ink,
            minimum_peak=minimum_peak,
            maximum_border=maximum_border,
        ),
        expectations.of_classes(features.class_shares(table), minimum_class_share=minimum_class_share),
    ]
    with atomic.replacing(folder) as temporary:
        outcomes = expectations.check(suites, temporary / layout.DATA_DOCS)
        report = {"dataset": data.dataset, "images": len(table), "expectations": [asdict(one) for one in outcomes]}
        atomic.write_text(temporary / layout.REPORT, json.dumps(report, indent=2) + "\n")
        if not (temporary / layout.DATA_DOCS / "index.html").is_file():
            raise PipelineError(f"{folder / layout.DATA_DOCS}: could not be written. Make room on the disk and run again.")
    stop_at_failures(outcomes, folder)


def describe(data: raw.RawData) -> pd.DataFrame:
    """Make one table of features of the training and the test images."""
    return pd.concat(
        [
            features.image_features(data.train_images, data.train_labels, "train"),
            features.image_features(data.test_images, data.test_labels, "test"),
        ],
        ignore_index=True,
    )


def stop_at_failures(outcomes: list[expectations.Outcome], folder: Path) -> None:
    """Raise PipelineError that names every expectation that failed."""
    failures = [str(outcome) for outcome in outcomes if not outcome.success]
    if failures:
        raise PipelineError(
            f"the data is not valid: {'; '.join(failures)}. See {folder / layout.DATA_DOCS / 'index.html'}; mend the data, "
            f"or the bounds under `validate` in params.yaml, and run again."
        )


if __name__ == "__main__":
    stages.run_as_process("validate", main)
