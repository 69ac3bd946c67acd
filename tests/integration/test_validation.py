"""Invalid data stops the run, and the expectation that caught it is named with the first images."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import raw
from pipeline.digits import idx
from pipeline.errors import PipelineError
from pipeline.stages import ingest, validate

BOUNDS = {"minimum_ink": 0.01, "maximum_ink": 0.5, "minimum_peak": 100, "maximum_border": 64, "minimum_class_share": 0.05}

Corrupt = Callable[[raw.RawData], raw.RawData]


@pytest.fixture(scope="module")
def sample() -> raw.RawData:
    arrays = (idx.decode(content) for content in ingest.sample().values())
    return raw.RawData("load_digits", *arrays)


def validated(data: raw.RawData, folder: Path) -> Path:
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    raw.write(folder / "raw", data.dataset, {name: idx.encode(array) for name, array in zip(raw.FILES, arrays, strict=True)})
    validate.run(folder / "raw", folder / "validation", **BOUNDS)
    return folder / "validation"


def change(array: np.ndarray, places: slice, value: int) -> np.ndarray:
    changed = array.copy()
    changed[places] = value
    return changed


def a_label_10(data: raw.RawData) -> raw.RawData:
    return dataclasses.replace(data, train_labels=change(data.train_labels, slice(7, 8), 10))


def blank_images(data: raw.RawData) -> raw.RawData:
    return dataclasses.replace(data, test_images=change(data.test_images, slice(3, 8), 0))


def inverted_images(data: raw.RawData) -> raw.RawData:
    return dataclasses.replace(data, train_images=255 - data.train_images)


def faint_images(data: raw.RawData) -> raw.RawData:
    return dataclasses.replace(data, test_images=data.test_images // 4)


def no_threes(data: raw.RawData) -> raw.RawData:
    kept = data.train_labels != 3
    return dataclasses.replace(data, train_images=data.train_images[kept], train_labels=data.train_labels[kept])


def test_the_sample_is_valid_and_data_docs_open_from_disk(sample: raw.RawData, tmp_path: Path) -> None:
    folder = validated(sample, tmp_path)

    report = json.loads((folder / "report.json").read_text())
    page = (folder / "data-docs/index.html").read_text()
    assert report["dataset"] == "load_digits"
    assert report["images"] == 1797
    assert all(expectation["success"] for expectation in report["expectations"])
    assert "images" in page
    assert "classes" in page


@pytest.mark.parametrize(
    ("corrupt", "expectation", "offender", "count"),
    [
        (a_label_10, "label_is_a_digit", "train/7 = 10", 1),
        (blank_images, "ink_is_a_glyph", "test/3 = 0.0", 5),
        (inverted_images, "border_is_paper", "train/0 = 255.0", 1437),
        (faint_images, "ink_is_dark", "test/0 = 63", 360),
        (no_threes, "every_digit_is_common", "train digit 3 = 0.0", 1),
    ],
)
def test_invalid_data_stops_the_run_and_is_named(
    sample: raw.RawData, tmp_path: Path, corrupt: Corrupt, expectation: str, offender: str, count: int
) -> None:
    with pytest.raises(PipelineError) as raised:
        validated(corrupt(sample), tmp_path)

    assert f"{expectation}: {count} of " in str(raised.value)
    assert offender in str(raised.value)
    assert "\n" not in str(raised.value)
    report = json.loads((tmp_path / "validation/report.json").read_text())
    failed = {one["expectation"]: one for one in report["expectations"] if not one["success"]}
    assert failed[expectation]["offending_count"] == count
    assert (tmp_path / "validation/data-docs/index.html").exists()
