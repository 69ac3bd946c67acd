"""Invalid data stops the run; what caught it is named, with the first files, images or classes that are wrong."""

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from bench.corruptions import CORRUPTIONS, Corruption, files_of
from pipeline import params
from pipeline.datasets import idx, raw
from pipeline.errors import PipelineError
from pipeline.quality import checks, expectations, folders
from pipeline.quality.checks import Finding
from pipeline.quality.expectations import CRITICAL, Suite
from pipeline.stages import ingest, validate
from tests.conftest import MNIST, ROOT

BOUNDS = params.load(ROOT / "params.yaml").validate
IDS = [one.name for one in CORRUPTIONS]


@pytest.fixture(scope="module")
def sample() -> raw.RawData:
    return raw.RawData("load_digits", *(idx.decode(content) for content in ingest.sample().values()))


@pytest.fixture(scope="module")
def mnist() -> raw.RawData:
    if not MNIST:
        pytest.skip("needs MNIST: set DIGITS_MNIST_MIRROR")
    contents = (next(Path(MNIST).glob(f"{name}*")).read_bytes() for name in raw.FILES)
    plain = (ingest.verify(name, content) for name, content in zip(raw.FILES, contents, strict=True))
    return raw.RawData("mnist", *map(idx.decode, plain))


def suites_of(dataset: str, files: dict[str, bytes], folder: Path) -> list[Suite]:
    raw.write(folder / "raw", dataset, files)
    faults = raw.inspect(folder / "raw")
    if any(one.is_broken for one in faults):
        return [expectations.of_files(faults)]
    return validate.expect(dataset, validate.read(folder / "raw"), BOUNDS)


def only(suites: list[Suite], expectation: str) -> list[Suite]:
    """Leave out what a test is not about: each expectation takes Great Expectations some time."""
    return [
        replace(suite, expectations={expectation: suite.expectations[expectation]})
        for suite in suites
        if expectation in suite.expectations
    ]


def validated(data: raw.RawData, folder: Path) -> Path:
    raw.write(folder / "raw", data.dataset, files_of(data))
    validate.run(folder / "raw", folder / "validation", bounds=BOUNDS)
    return folder / "validation"


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=IDS)
def test_every_corruption_is_caught_by_its_expectation(sample: raw.RawData, tmp_path: Path, corruption: Corruption) -> None:
    files = corruption.corrupt(sample, np.random.default_rng(7))

    suites = only(suites_of(sample.dataset, files, tmp_path), corruption.expectation)
    outcomes = checks.check(suites).each

    failed = [one for one in outcomes if not one.success]
    assert {one.severity for one in failed} == {corruption.severity}
    assert all(one.offending and one.offending_count for one in failed)
    assert all(len(one.offending) == min(one.offending_count, checks.NAMED_ROWS) for one in outcomes)


@pytest.mark.parametrize("seed", range(3))
def test_a_draw_of_mnist_raises_no_critical_failure(mnist: raw.RawData, tmp_path: Path, seed: int) -> None:
    drawn = np.random.default_rng(seed).choice(60_000, 6000)
    data = replace(mnist, train_images=mnist.train_images[drawn], train_labels=mnist.train_labels[drawn])

    verdict = checks.check(suites_of("mnist", files_of(data), tmp_path))

    assert {one.expectation for one in verdict.failures} == {"split_is_as_published", "no_image_is_a_copy"}
    assert verdict.counts()["critical"] == 0
    assert verdict.severity == "warning"


def test_good_data_has_a_report_a_page_and_data_docs(
    sample: raw.RawData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = validated(sample, tmp_path)

    report = json.loads((folder / "report.json").read_text())
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict == {
        "dataset": "load_digits",
        "images": {"train": 1437, "test": 360},
        "highest_severity": None,
        "passed": len(report["expectations"]),
        "warnings": 0,
        "critical": 0,
    }
    assert verdict.items() <= report.items()
    assert all(one["success"] and one["why"] for one in report["expectations"])
    assert capsys.readouterr().out == f"validate: {verdict['passed']} expectations hold, 0 warnings\n"
    page = (folder / "report.html").read_text()
    docs = next((folder / "data-docs/validations").rglob("*.html")).read_text()
    for one in report["expectations"]:
        assert one["expectation"] in page
        assert one["expectation"] in docs
    assert "http" not in page
    assert (folder / "data-docs/index.html").exists()


def test_the_same_data_gives_the_same_bytes(sample: raw.RawData, tmp_path: Path) -> None:
    first, second = (validated(sample, tmp_path / name) for name in ("first", "second"))

    files = [{path.relative_to(one): path.read_bytes() for path in one.rglob("*") if path.is_file()} for one in (first, second)]
    assert files[0] == files[1]
    assert not any(b"1970-01-01" in content for content in files[0].values())


def test_a_critical_failure_stops_the_run_and_the_first_images_are_shown(sample: raw.RawData, tmp_path: Path) -> None:
    images = sample.test_images.copy()
    images[3:33] = 255 - images[3:33]

    with pytest.raises(PipelineError) as raised:
        validated(replace(sample, test_images=images), tmp_path)

    message = str(raised.value)
    assert "few_images_are_inverted: 30 of 360 test images break it (allowed: 0.2%), first test/3 = 255" in message
    assert str(tmp_path / "validation/report.html") in message
    assert "\n" not in message
    report = json.loads((tmp_path / "validation/report.json").read_text())
    assert report["highest_severity"] == "critical"
    caught = next(
        one
        for one in report["expectations"]
        if (one["expectation"], one["suite"]) == ("few_images_are_inverted", "test images")
    )
    assert [row["name"] for row in caught["offending"]] == [f"test/{index}" for index in range(3, 23)]
    assert all(row["thumbnail"].startswith("data:image/png;base64,") for row in caught["offending"])
    page = (tmp_path / "validation/report.html").read_text()
    assert caught["offending"][0]["thumbnail"] in page
    assert "Invalid: the run stopped" in page
    assert "test/3" in next((tmp_path / "validation/data-docs/validations").rglob("*.html")).read_text()


def test_a_warning_is_reported_and_the_run_goes_on(
    sample: raw.RawData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, labels = sample.train_images.copy(), sample.train_labels.copy()
    images[9], labels[9] = images[4], labels[4]

    folder = validated(replace(sample, train_images=images, train_labels=labels), tmp_path)

    assert "warning: no_image_is_a_copy: 1 of 1437 train images break it, first train/9 = train/4: " in capsys.readouterr().out
    assert json.loads((folder / "verdict.json").read_text())["highest_severity"] == "warning"
    assert "Valid, with warnings" in (folder / "report.html").read_text()


def test_files_that_cannot_be_read_have_a_report_too(sample: raw.RawData, tmp_path: Path) -> None:
    raw.write(tmp_path / "raw", "load_digits", files_of(sample))
    labels = tmp_path / "raw" / raw.TEST_LABELS
    labels.write_bytes(labels.read_bytes()[:-7])

    with pytest.raises(PipelineError, match=r"file_is_whole: 1 of 4 files break it, first t10k-labels-idx1-ubyte = 361 bytes"):
        validate.run(tmp_path / "raw", tmp_path / "validation", bounds=BOUNDS)

    report = json.loads((tmp_path / "validation/report.json").read_text())
    assert report["images"] == {}
    assert {one["suite"] for one in report["expectations"]} == {"files"}


def test_a_small_split_does_not_hide_in_a_large_one(sample: raw.RawData, tmp_path: Path) -> None:
    shuffled = np.random.default_rng(0).permutation(sample.test_labels)

    suites = suites_of("load_digits", files_of(replace(sample, test_labels=shuffled)), tmp_path)
    verdict = checks.check(only(suites, "most_labels_fit_their_images"))

    assert [one.suite for one in verdict.failures] == ["test images"]


def test_no_image_at_all_is_invalid_data(sample: raw.RawData, tmp_path: Path) -> None:
    empty = replace(sample, test_images=sample.test_images[:0], test_labels=sample.test_labels[:0])

    with pytest.raises(PipelineError, match=r"split_is_large_enough: 1 of 2 splits break it, first test = 0"):
        validated(empty, tmp_path)


def test_an_outcome_is_said_on_one_line() -> None:
    rows: list[dict[str, Any]] = [{"name": "a\nb.png", "value": "c\nd"}, {"name": "e", "value": 0.123456}]

    words = str(Finding("images", "some_name", "ink", CRITICAL, "why", False, 10, 2, 0.01, rows))

    assert words == "some_name: 2 of 10 images break it (allowed: 1.0%), first a\\nb.png = c\\nd, e = 0.1235: why"
    assert asdict(Finding("images", "n", "ink", CRITICAL, "w", True, 1, 0, 0, []))["offending"] == []


@pytest.fixture(scope="module")
def scans(sample: raw.RawData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 500 dark digits on light paper, in folders by their digit."""
    folder = tmp_path_factory.mktemp("scans")
    for number, (image, label) in enumerate(zip(sample.train_images[:500], sample.train_labels[:500], strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        cv2.imwrite(str(folder / str(label) / f"{number}.png"), 255 - image)
    return folder


def checked(folder: Path, out: Path) -> checks.Findings:
    return folders.check_folder(folder, out, params.load(ROOT / "params.yaml").score, BOUNDS, print)


def test_a_folder_of_labelled_scans_is_held_to_the_same_expectations(scans: Path, tmp_path: Path) -> None:
    assert checked(scans, tmp_path / "out").severity == ""
    assert "500 folder images" in (tmp_path / "out/report.html").read_text()


def test_folders_with_each_others_names_and_a_broken_file_are_found(scans: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    shutil.copytree(scans, folder)
    for digit in range(10):
        (folder / str(digit)).rename(folder / f"{(digit + 1) % 10}.")
    for digit in range(10):
        (folder / f"{digit}.").rename(folder / str(digit))
    (folder / "3/a\nb.png").write_bytes(b"no picture")

    verdict = checked(folder, tmp_path / "out")

    failures = {one.expectation: one for one in verdict.failures}
    assert verdict.failures[0].expectation == "most_labels_fit_their_images"
    assert "no_file_is_unreadable: 1 of 501 files break it, first 3/a\\nb.png = " in str(failures["no_file_is_unreadable"])


def test_a_folder_without_labels_is_looked_at_too(scans: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for path in scans.glob("[01]/*.png"):
        shutil.copy(path, folder / f"{path.parent.name}-{path.name}")
    for number in range(3):
        cv2.imwrite(str(folder / f"blank{number}.png"), np.full((40, 40), 250, np.uint8))
        (folder / f"copy{number}.png").write_bytes(next(scans.glob("2/*.png")).read_bytes())

    failures = {one.expectation: one.offending_count for one in checked(folder, tmp_path / "out").failures}

    assert failures["few_images_are_blank"] == 3
    assert failures["no_image_is_a_copy"] == 2
    assert "most_labels_fit_their_images" not in failures


def test_any_name_of_a_folder_will_do(scans: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\n<b>.\xe9" + 100 * b"x"))
    shutil.copytree(scans / "7", folder)

    checked(folder, tmp_path / "out")

    page = (tmp_path / "out/report.html").read_text()
    assert "Validation of a\\n&lt;b&gt;.\\xe9xxx" in page
    assert (tmp_path / "out/data-docs/index.html").is_file()


def test_names_that_are_html_are_shown_in_data_docs_and_hide_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("<script>alert(1).png", "<img src=x onerror=alert(1)>.png", "url(x).png"):
        cv2.imwrite(str(folder / "a.png"), np.full((40, 40), 250, np.uint8))
        (folder / "a.png").rename(folder / name)

    checked(folder, tmp_path / "out")

    (page,) = (tmp_path / "out/data-docs/validations").rglob("*.html")
    text = " ".join(page.read_text().split())
    assert "&lt;script&gt;alert(1).png" in text
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in text
    assert "url(x).png" in text
    assert "Unlikeness to any digit" in text


def test_what_cannot_be_checked_is_no_fault_of_the_data() -> None:
    table = pd.DataFrame({"name": ["a"], "label": ["three"]})

    with pytest.raises(RuntimeError, match="label_is_a_digit could not be checked"):
        checks.check([Suite("images", table, expectations._of_labels(BOUNDS, is_known=False))])


def test_what_is_no_file_is_not_waited_for(scans: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    shutil.copytree(scans, folder)
    os.mkfifo(folder / "3/pipe.png")
    (folder / "3/link.png").symlink_to(next((folder / "3").glob("*.png")))

    assert checked(folder, tmp_path / "out").severity == ""
    assert "500 folder images" in (tmp_path / "out/report.html").read_text()


def test_faint_digits_are_not_blank(scans: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faint"
    folder.mkdir()
    for path in scans.glob("[03]/*.png"):
        thin = cv2.erode(255 - np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)), np.ones((2, 2), np.uint8))
        cv2.imwrite(str(folder / path.name), (thin // 2).astype(np.uint8))

    assert "few_images_are_blank" not in {one.expectation for one in checked(folder, tmp_path / "out").failures}


def test_a_folder_without_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no pictures below it\. A picture ends in one of: \.avif \.bmp"):
        checked(tmp_path, tmp_path / "out")
