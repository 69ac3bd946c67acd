"""Stage ``validate``: hold the raw data to the expectations, and stop the run where a critical one is broken."""

import time
from pathlib import Path

from pipeline import atomic, layout, params, raw, stages
from pipeline.digits.features import TRAIN
from pipeline.errors import PipelineError
from pipeline.quality import checks, expectations, reference, tables
from pipeline.quality.expectations import Bounds, Suite
from pipeline.quality.report import Report
from pipeline.quality.tables import Split

TEST = "test"
# How many images the known data sets have.
PUBLISHED = {"mnist": {TRAIN: 60_000, TEST: 10_000}, "load_digits": {TRAIN: 1437, TEST: 360}}
MOST_NAMED = 4


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    settings = params.load(layout.PARAMS).validate
    run(layout.RAW, layout.VALIDATION, bounds=Bounds(**settings.model_dump()))


def run(raw_folder: Path, folder: Path, *, bounds: Bounds) -> None:
    """Write report, verdict and Data Docs into ``folder``. Raises PipelineError naming what is broken and the first rows."""
    started = time.monotonic()
    dataset = raw.read_dataset(raw_folder)
    files = raw.inspect(raw_folder)
    splits = [] if any(one.is_broken for one in files) else read(raw_folder)
    suites = [expectations.of_files(files), *(expect(dataset, splits, bounds) if splits else [])]
    measured = time.monotonic()
    with atomic.replacing(folder) as temporary:
        verdict = checks.check(suites, dataset, temporary / layout.DATA_DOCS)
        seconds = {"measuring": round(measured - started, 3), "checking": round(time.monotonic() - measured, 3)}
        Report(dataset, splits, verdict, seconds).write(temporary)
        if not (temporary / layout.DATA_DOCS / "index.html").is_file():
            raise PipelineError(f"{folder / layout.DATA_DOCS}: could not be written. Make room on the disk and run again.")
    conclude(verdict, folder / layout.REPORT_PAGE)


def read(raw_folder: Path) -> list[Split]:
    """Read the images and labels. Raises PipelineError."""
    data = raw.read(raw_folder)
    return [Split(TRAIN, data.train_images, data.train_labels), Split(TEST, data.test_images, data.test_labels)]


def expect(dataset: str, splits: list[Split], bounds: Bounds) -> list[Suite]:
    """Say what is expected of the splits of a data set."""
    described = tables.describe(splits, reference.load(dataset), PUBLISHED.get(dataset, {}))
    return expectations.of_labelled(described, bounds, is_known=reference.is_known(dataset))


def conclude(verdict: checks.Verdict, page: Path) -> None:
    """Print the warnings. Raises PipelineError that names what stops the run."""
    critical = [str(one) for one in verdict.failures if one.is_critical]
    for one in verdict.failures:
        if not one.is_critical and not critical:
            print(f"warning: {one}")
    if critical:
        more = f"; and {len(critical) - MOST_NAMED} more" if len(critical) > MOST_NAMED else ""
        raise PipelineError(
            f"the data is not valid: {'; '.join(critical[:MOST_NAMED])}{more}. See {page}; mend the data, or the bounds under "
            f"`validate` in params.yaml, and run again."
        )
    print("validate: {passed} expectations hold, {warnings} warnings".format(**verdict.counts()))


if __name__ == "__main__":
    stages.run_as_process("validate", main)
