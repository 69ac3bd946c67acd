"""Own labelled scans: what is kept, what is left out and said, and what training makes of them."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import layout, params
from pipeline.datasets import own, raw
from pipeline.datasets.own import Own
from pipeline.errors import PipelineError
from pipeline.stages import collect, ingest
from tests.conftest import ROOT

SETTINGS = params.load(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def raw_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    raw.write(folder / "raw", "load_digits", ingest.sample())
    return folder / "raw"


@pytest.fixture(scope="module")
def pictures(raw_folder: Path) -> dict[int, list[np.ndarray]]:
    """The digits of people whom the test set does not know, dark on light, by label."""
    data = raw.read(raw_folder)
    return {digit: [255 - image for image in data.train_images[data.train_labels == digit]] for digit in range(10)}


class Place:
    """A folder of labelled scans, and what the stage makes of it."""

    def __init__(self, root: Path, raw_folder: Path, pictures: dict[int, list[np.ndarray]]) -> None:
        self.root, self.raw, self.pictures = root, raw_folder, pictures
        self.scans = root / "labelled"
        self.scans.mkdir()

    def put(self, name: str, digit: int, number: int) -> Path:
        """Write a picture of a digit to a place such as ``a/7/x.png``."""
        path = self.scans / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), self.pictures[digit][number])
        return path

    def collect(self, settings: params.Params = SETTINGS) -> tuple[Own, dict[str, Any], dict[str, str]]:
        """Run the stage: give what it keeps, its summary, and by name why each of the others was left out."""
        report = self.root / "collected"
        collect.run(self.scans, self.raw, report, self.root / "own.npz", settings)
        with (report / layout.LEFT_OUT).open(encoding="utf-8", newline="") as lines:
            left_out = {row["scan"]: row["reason"] for row in csv.DictReader(lines)}
        return own.read(self.root / "own.npz"), json.loads((report / layout.SUMMARY).read_text()), left_out


@pytest.fixture
def place(tmp_path: Path, raw_folder: Path, pictures: dict[int, list[np.ndarray]]) -> Place:
    return Place(tmp_path, raw_folder, pictures)


def test_without_scans_nothing_is_kept_and_no_report_is_written(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (place.scans / "README.md").write_text("about")

    scans, summary, left_out = place.collect()

    assert (len(scans.labels), summary["scans"], summary["test_set"], left_out) == (0, 0, "", {})
    assert {path.name for path in (place.root / "collected").iterdir()} == {layout.SUMMARY, layout.LEFT_OUT}
    assert capsys.readouterr().out == f"collect: no labelled scans in {place.scans}\n"


def test_scans_of_two_folders_are_kept_with_their_labels_parts_and_a_report(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(200):
        place.put(f"a/{number % 10}/{number}.png", number % 10, number // 10)
    table = "file,label\n" + "".join(f"{number}.png,{number % 10}\n" for number in range(40))
    for number in range(40):
        place.put(f"b/{number}.png", number % 10, 50 + number // 10)
    (place.scans / "b/labels.csv").write_text(table)

    scans, summary, left_out = place.collect()

    assert left_out == {}
    assert np.bincount(scans.labels).tolist() == [24] * 10
    assert summary["folders"]["a"]["scans"] == 200
    assert summary["folders"]["b"]["digits"] == [4] * 10
    assert sum(summary[part] for part in ("train", "validation", "test")) == 240
    assert 30 < summary["test"] < 90
    assert summary["test_set"] == scans.test_set
    assert set(map(bytes, scans.images)) == {
        bytes(255 - place.pictures[number % 10][number // 10]) for number in range(200)
    } | {bytes(255 - place.pictures[number % 10][50 + number // 10]) for number in range(40)}
    assert "240 own images" in (place.root / "collected" / layout.REPORT_PAGE).read_text()
    assert re.search(
        r"collect: 240 scans: \d+ to train on, \d+ to validate, \d+ to test; 0 left out\n$", capsys.readouterr().out
    )


def test_what_is_left_out_is_named_with_its_reason(place: Place, raw_folder: Path) -> None:
    for number in range(30):
        place.put(f"a/{number % 10}/{number}.png", number % 10, number // 10)
    place.put("a/x/1.png", 1, 40)
    place.put("a/10/1.png", 1, 41)
    (place.scans / "a/4/empty").mkdir()
    place.put("a/3/again.png", 3, 0)
    place.put("b/5/both.png", 5, 9)
    place.put("b/6/both.png", 5, 9)
    cv2.imwrite(str(place.put("b/2/blank.png", 2, 0)), np.full((60, 60), 250, np.uint8))
    place.put("b/2/broken.png", 2, 0).write_bytes(b"no picture")
    cv2.imwrite(str(place.put("b/7/tested.png", 7, 0)), 255 - raw.read(raw_folder).test_images[5])
    place.put("loose.png", 1, 43)

    scans, summary, left_out = place.collect()

    assert left_out.pop("b/2/broken.png")
    assert left_out == {
        "a/x/1.png": "the folder x is no digit from 0 to 9",
        "a/10/1.png": "the folder 10 is no digit from 0 to 9",
        "a/3/again.png": "is a copy of a/3/3.png",
        "b/5/both.png": "stands under 5, and as b/6/both.png under 6",
        "b/6/both.png": "stands under 6, and as b/5/both.png under 5",
        "b/2/blank.png": "blank",
        "b/7/tested.png": "is image 5 of the test set",
        "loose.png": f"is no folder: {place.scans} holds folders of labelled scans",
    }
    assert len(scans.labels) == summary["scans"] == 30
    assert summary["left_out"] == 9
    report = json.loads((place.root / "collected" / layout.REPORT).read_text())
    (finding,) = [one for one in report["expectations"] if one["expectation"] == "no_scan_is_left_out"]
    assert {row["name"] for row in finding["offending"]} == {*left_out, "b/2/broken.png"}


def parts(scans: Own) -> dict[bytes, int]:
    return dict(zip(map(bytes, scans.images), scans.parts.tolist(), strict=True))


def test_a_picture_never_changes_sides_when_others_come_go_or_take_its_name(place: Place) -> None:
    for number in range(60):
        place.put(f"a/{number % 10}/{number}.png", number % 10, number // 10)
    before = parts(place.collect()[0])

    for number in range(60):
        place.put(f"b/{number % 10}/{number}.png", number % 10, 20 + number // 10)
    (place.scans / "a/0/0.png").unlink()
    place.put("a/1/1.png", 1, 40)  # another picture under its name
    after = parts(place.collect()[0])

    gone = {bytes(255 - place.pictures[digit][0]) for digit in (0, 1)}
    assert before.keys() - after.keys() == gone
    assert {field: part for field, part in after.items() if field in before} == {
        field: part for field, part in before.items() if field not in gone
    }
    assert bytes(255 - place.pictures[1][40]) in after


def test_a_test_scan_is_never_trained_on_wherever_else_it_is_put_and_in_whatever_form(place: Place) -> None:
    for number in range(60):
        place.put(f"m/{number % 10}/{number}.png", number % 10, number // 10)
    scans = place.collect()[0]
    tests = scans.part(own.TEST)
    assert len(tests.labels) > 5

    for number, (image, digit) in enumerate(zip(tests.images, tests.labels, strict=True)):
        for folder in ("a", "z"):
            (place.scans / f"{folder}/{digit}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(255 - image[..., 0]).save(place.scans / f"{folder}/{digit}/{number}.tif")
            # The same after normalising, though it is light on dark.
            Image.fromarray(image[..., 0]).save(place.scans / f"{folder}/{digit}/+{number}.png")

    assert parts(place.collect()[0]) == parts(scans)


def test_links_and_pictures_of_other_kinds_are_said(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        place.put(f"a/7/{number}.png", 7, number)
    (place.scans / "a/7/link.png").symlink_to(place.scans / "a/7/1.png")
    (place.scans / "a/7/raw.cr2").write_bytes(b"raw")

    assert len(place.collect()[0].labels) == 3

    said = capsys.readouterr().out
    assert "a: 1 symbolic links, which are not followed\n" in said
    assert "a: pictures of a kind that is not read: 7/raw.cr2 (1 in all)\n" in said


def test_pages_are_scans_of_their_own(place: Place) -> None:
    (place.scans / "a").mkdir()
    pages = [Image.fromarray(place.pictures[digit][0]) for digit in (4, 2)]
    pages[0].save(place.scans / "a/two.tif", save_all=True, append_images=pages[1:])
    (place.scans / "a/labels.csv").write_text("page,file,label\n1,two.tif,4\n2,two.tif,2\n3,two.tif,9\n")

    scans = place.collect()[0]

    assert scans.labels.tolist() == [4, 2]


@pytest.mark.parametrize("digits", [[7] * 3, [1] * 60, [8, 0, 6]])
def test_few_scans_and_one_digit_alone_are_kept(place: Place, digits: list[int]) -> None:
    for number, digit in enumerate(digits):
        place.put(f"a/{digit}/{number}.png", digit, number)
    (place.scans / "a/5").mkdir(exist_ok=True)

    assert len(place.collect()[0].labels) == len(digits)


def test_labels_that_are_mixed_up_stop_the_run_and_keep_the_last_scans(place: Place) -> None:
    for number in range(150):
        place.put(f"a/{number % 10}/{number}.png", number % 10, number // 10)
    place.collect()
    before = (place.root / "own.npz").read_bytes()
    for number in range(150):
        place.put(f"a/{(number + 1) % 10}/{number}.png", number % 10, number // 10)
        (place.scans / f"a/{number % 10}/{number}.png").unlink()

    with pytest.raises(PipelineError, match="most_labels_fit_their_images"):
        place.collect()

    assert (place.root / "own.npz").read_bytes() == before


def test_a_folder_of_which_most_is_left_out_stops_the_run(place: Place) -> None:
    for number in range(20):
        place.put(f"a/{'digits' if number % 3 else '1'}/{number}.png", 1, number)

    with pytest.raises(PipelineError, match=r"few_scans_are_left_out: 13 of 20 labelled scans break it \(allowed: 50.0%\)"):
        place.collect()


def test_scans_that_are_tracked_and_not_here_stop_the_run_with_the_command(place: Place) -> None:
    (place.scans / "a.dvc").write_text("outs:\n- path: a\n")

    with pytest.raises(PipelineError, match=r"a: not here\. Fetch its scans with `dvc pull .*a\.dvc`\.$"):
        place.collect()


def test_many_scans_are_read_by_all_cores_and_say_how_long_it_takes(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.scoring.executors.FEW", 20)
    monkeypatch.setattr("pipeline.labelled.reading.TOGETHER", 10)
    monkeypatch.setattr("pipeline.labelled.reading.SECONDS_BETWEEN_WORDS", 0)
    for number in range(60):
        place.put(f"a/{number % 10}/{number}.png", number % 10, number // 10)

    scans = place.collect()[0]

    assert len(scans.labels) == 60
    assert "60 of 60 scans of a folder read, 0.0 minutes left" in capsys.readouterr().out
