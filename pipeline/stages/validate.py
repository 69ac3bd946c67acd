"""Stage ``validate``: hold the raw data to the expectations, and stop the run where a critical one is broken."""

from pathlib import Path

from pipeline import layout, params, stages
from pipeline.datasets import raw
from pipeline.digits.pictures.features import TRAIN
from pipeline.params import Validate
from pipeline.quality import expectations, publishing, reference, tables
from pipeline.quality.expectations import Suite
from pipeline.quality.tables import Split

TEST = "test"
# How many images the known data sets have.
PUBLISHED = {"mnist": {TRAIN: 60_000, TEST: 10_000}, "load_digits": {TRAIN: 1437, TEST: 360}}


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    settings = params.load(layout.PARAMS).validate
    run(layout.RAW, layout.VALIDATION, bounds=settings)


def run(raw_folder: Path, folder: Path, *, bounds: Validate) -> None:
    """Write report, verdict and Data Docs into ``folder``. Raises PipelineError naming what is broken and the first rows."""
    dataset = raw.read_dataset(raw_folder)
    files = raw.inspect(raw_folder)
    splits = [] if any(one.is_broken for one in files) else read(raw_folder)
    suites = [expectations.of_files(files), *(expect(dataset, splits, bounds) if splits else [])]
    findings = publishing.publish(folder, dataset, splits, suites)
    print(*publishing.conclude(findings, folder / layout.REPORT_PAGE), sep="\n")


def read(raw_folder: Path) -> list[Split]:
    """Read the images and labels. Raises PipelineError."""
    data = raw.read(raw_folder)
    return [Split(TRAIN, data.train_images, data.train_labels), Split(TEST, data.test_images, data.test_labels)]


def expect(dataset: str, splits: list[Split], bounds: Validate) -> list[Suite]:
    """Give the expectations of the splits of a data set."""
    described = tables.describe(splits, reference.load(dataset), PUBLISHED.get(dataset, {}))
    return expectations.of_labelled(described, bounds, is_known=reference.is_known(dataset))


if __name__ == "__main__":
    stages.run_as_process("validate", main)
