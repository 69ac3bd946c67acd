"""A scored batch is compared with the profile of its model, and says so in its manifest and report."""

import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.datasets import sample
from pipeline.errors import PipelineError
from pipeline.quality import profile
from pipeline.registry.contents import ScoringModel
from pipeline.reports import batch as report
from pipeline.reports import drift
from pipeline.scoring import executors, history
from pipeline.scoring.manifest import Manifest
from pipeline.scoring.processes import Processes
from tests.conftest import DIGITS, Project, copy_project
from tests.processes import ends_elsewhere, tells_where
from tests.scored import Scans

ROWS = 120
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture
def scans(registered_project: Project, champion: ScoringModel, tmp_path: Path) -> Scans:
    sample.cut(registered_project.root / "data/arrays.npz", tmp_path / "batch", count=ROWS)
    return Scans(tmp_path / "batch", champion)


def change(scans: Scans, how: Change) -> None:
    for path in scans.folder.iterdir():
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(path), how(np.asarray(picture, np.uint8)))


def page(scans: Scans) -> str:
    return (scans.out / "report.html").read_text(encoding="utf-8")


def test_a_batch_of_test_images_is_as_usual(scans: Scans) -> None:
    manifest = scans.score()

    assert manifest.drift_words == "no drift from the validation images of v1.0.0"
    assert [one["name"] for one in manifest.drift["figures"]] == [*profile.COLUMNS, "digits", *profile.KINDS]
    right = manifest.drift["expected_accuracy"]
    assert right == pytest.approx(np.mean([float(row["confidence"]) for row in scans.rows().values()]), abs=1e-4)
    shares = manifest.drift["shares"]
    assert [one["count"] for one in shares] == [manifest.labels.get(str(digit), 0) for digit in range(10)]
    assert sum(one["estimated"] for one in shares) == pytest.approx(1, abs=0.001)
    assert all(one["low"] <= one["estimated"] <= one["high"] for one in shares)
    assert "no drift from the validation images of v1.0.0" in page(scans)
    assert page(scans).count('class="usual"') == len(profile.COLUMNS) + 1


@pytest.mark.parametrize(
    ("how", "figure"),
    [
        (lambda picture: 255 - picture, "shade"),
        (lambda picture: cv2.resize(picture, None, fx=4, fy=4), "side"),
        (lambda picture: cv2.GaussianBlur(picture, (0, 0), 1.5), "contrast"),
        (lambda picture: np.full_like(picture, 250), "blank"),
    ],
)
def test_a_batch_of_other_pictures_has_drifted(scans: Scans, how: Change, figure: str) -> None:
    change(scans, how)

    manifest = scans.score()

    assert manifest.has_drifted
    assert figure in manifest.drift["drifted"]
    assert "▲ drifted" in page(scans)


def test_a_batch_that_cannot_be_read_has_drifted(scans: Scans) -> None:
    for path in scans.folder.iterdir():
        path.write_bytes(b"no picture")

    manifest = scans.score()

    assert manifest.drift["drifted"] == ["review", "unreadable"]
    assert not manifest.drift.keys() & {"expected_accuracy", "shares"}
    assert "▲ drifted" in page(scans)


def test_a_batch_of_one_digit_is_told_by_its_digits(scans: Scans, registered_project: Project) -> None:
    first = next(scans.folder.iterdir()).read_bytes()
    for path in scans.folder.iterdir():
        path.write_bytes(first)

    manifest = scans.score()

    assert "digits" in manifest.drift["drifted"]
    assert max(one["estimated"] for one in manifest.drift["shares"]) > 0.9


def test_a_few_pictures_are_too_few_to_tell(scans: Scans) -> None:
    for path in sorted(scans.folder.iterdir())[10:]:
        path.unlink()

    manifest = scans.score()

    assert manifest.drift_words == "drift unknown: 10 rows are too few to tell, 100 are enough"
    assert len(manifest.drift["shares"]) == 10
    assert manifest.drift_words in page(scans)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda _: b"", "this model was registered without a profile"),
        (lambda content: content[:1000], "the profile of this model cannot be read"),
        (
            lambda content: profile.to_bytes(replace(profile.from_bytes(content[0], content[1]), model_sha256="other")),
            "the profile beside this model is of another model",
        ),
    ],
)
def test_a_profile_that_does_not_fit_leaves_drift_unknown(
    scans: Scans, champion: ScoringModel, content: Callable[..., bytes], words: str
) -> None:
    given = (champion.profile, champion.sha256) if "another" in words else champion.profile
    scans.model = replace(champion, profile=content(given))

    manifest = scans.score()

    assert manifest.drift_words.startswith(f"drift unknown: {words}")
    assert manifest.drift["expected_accuracy"] > 0.5
    assert manifest.drift_words in page(scans)


def test_a_batch_that_grew_is_compared_as_one_that_was_scored_at_once(scans: Scans, tmp_path: Path) -> None:
    held = sorted(scans.folder.iterdir())[:60]
    for path in held:
        path.rename(tmp_path / path.name)
    scans.score()
    for path in held:
        (tmp_path / path.name).rename(path)

    grown, fresh = scans.score(), scans.score(out=tmp_path / "fresh")

    assert (grown.reused, grown.scored) == (60, 60)
    assert grown.drift == fresh.drift


def test_of_a_large_batch_some_are_compared_and_all_are_counted(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scans.score(out=scans.out.with_name("whole"))
    monkeypatch.setattr("pipeline.scoring.row.MOST_COMPARED", 60)

    some = scans.score()

    with closing(sqlite3.connect(scans.out / "scores.db")) as connection:
        ((compared,),) = connection.execute("select count(*) from row where traits is not null")
    assert 40 < compared < 80
    assert some.drift["expected_accuracy"] == whole.drift["expected_accuracy"]
    names = ("digits", *profile.KINDS)
    counted, known = ([one["effect"] for one in two.drift["figures"] if one["name"] in names] for two in (some, whole))
    assert counted == known
    for one, other in zip(some.drift["shares"], whole.drift["shares"], strict=True):
        assert (one["count"], one["raw"]) == (other["count"], other["raw"])
        assert one["estimated"] == pytest.approx(other["estimated"], abs=0.05)


def test_rows_of_an_earlier_version_are_compared_by_what_they_have(scans: Scans) -> None:
    scans.score()
    with closing(sqlite3.connect(scans.out / "scores.db")) as connection:
        connection.executescript("alter table row drop column traits; pragma user_version = 2; pragma journal_mode = delete")
    scans.add("new.png")

    manifest: Manifest = scans.score()

    assert (manifest.reused, manifest.scored) == (ROWS, 1)
    assert [one["name"] for one in manifest.drift["figures"]] == ["digits", *profile.KINDS]


def test_a_batch_is_compared_elsewhere_and_here_where_that_process_ends() -> None:
    here = os.getpid()

    assert executors.at_last(Processes(1), partial(tells_where, here))() != here
    assert executors.at_last(Processes(1), partial(ends_elsewhere, here))() == "here"
    assert executors.at_last(None, partial(tells_where, here))() == here


@pytest.fixture
def history_of_three(scans: Scans, tmp_path: Path) -> Path:
    """Three batches: of test images, of large ones, and of these by another model and without a time."""
    folder = tmp_path / "history"
    scans.score(out=folder / "b-first")
    change(scans, lambda picture: np.asarray(cv2.resize(picture, None, fx=4, fy=4)))
    scans.score(out=folder / "a-second")
    scans.model = replace(scans.model, version="v1.1.0")
    scans.score(out=folder / "c <third>")
    for name, second in (("b-first", 1), ("a-second", 2)):
        edit(folder / name, finished_at=f"2030-01-01T00:00:0{second}+00:00")
    edit(folder / "c <third>", finished_at="")
    os.utime(folder / "c <third>/manifest.json", (2e9, 2e9))
    return folder


def edit(folder: Path, **values: object) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_the_history_of_a_folder_is_oldest_first_whatever_the_names_are(history_of_three: Path) -> None:
    first, second, third = history.read(history_of_three, pytest.fail)

    assert [one.name for one in (first, second, third)] == ["b-first", "a-second", "c <third>"]
    assert [one.figures["side"]["has_drifted"] for one in (first, second, third)] == [False, True, True]
    assert (first.finished, third.finished) == ("2030-01-01 00:00:01", "2033-05-18 03:33:20")
    assert third.words.startswith("drift from the validation images of v1.1.0: side")
    assert first.review.endswith("%")


def test_the_page_over_all_has_a_line_for_each_figure_and_says_where_another_model_begins(history_of_three: Path) -> None:
    batches = history.read(history_of_three, pytest.fail)

    page = drift.write(history_of_three, batches, 0.2).read_text(encoding="utf-8")

    assert page.count("<svg") == page.count('<polyline class="line"') == len(drift.WORDS)
    assert page.count('<circle class="bar"') + page.count('<rect class="bar doubt"') == 3 * len(drift.WORDS)
    assert page.count(">v1.1.0</text>") == len(drift.WORDS)
    assert "c &lt;third&gt;" in page
    assert "<third>" not in page
    assert 'href="c%20%3Cthird%3E/report.html"' in page


def test_what_is_older_or_broken_in_a_history_does_not_hide_the_rest(history_of_three: Path) -> None:
    manifest = json.loads((history_of_three / "b-first/manifest.json").read_text())
    older = {name: value for name, value in manifest.items() if name not in ("drift", "finished_at")}
    (history_of_three / "b-first/manifest.json").write_text(json.dumps(older | {"schema_version": 5}))
    (history_of_three / "a-second/manifest.json").write_text("{")
    said: list[str] = []

    batches = history.read(history_of_three, said.append)

    assert {one.name: (one.words, bool(one.figures)) for one in batches} == {
        "b-first": (history.UNTOLD, False),
        "c <third>": (next(one.words for one in batches if one.figures), True),
    }
    assert len(said) == 1
    assert re.fullmatch(r"warning: .*/a-second/manifest\.json: left out, for it cannot be read: .*", said[0])
    assert drift.write(history_of_three, batches, 0.2).read_text(encoding="utf-8").count("<circle") <= len(drift.WORDS)


def test_a_folder_without_a_scored_batch_is_said_in_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(PipelineError, match=r"^.*: no scored batch in it, .* `digits score FOLDER` scores one\.$"):
            history.read(folder, pytest.fail)


def test_the_command_lists_the_last_batches_with_a_chart(history_of_three: Path, registered_project: Project) -> None:
    done = registered_project.digits("drift", str(history_of_three), "--last", "2")

    assert [name for name in ("b-first", "a-second", "c <third>") if name in done.stdout] == ["a-second", "c <third>"]
    assert re.search(r"longest side, pixels +│ ██ +│ drifted 2 times", done.stdout)
    assert done.stdout.endswith(f"{history_of_three}/drift.html\n")


@pytest.mark.parametrize(
    ("effects", "blocks"),
    [([0.0, None, 0.4], "▁ █"), ([0.2, 0.2], "▅▅"), ([0.0, 1.0], "▁█"), ([None], " "), ([], "")],
)
def test_a_chart_has_a_block_for_each_batch(effects: list[float | None], blocks: str) -> None:
    assert history.chart(effects, 0.2) == blocks


def test_what_a_person_certified_stands_beside_the_expected_accuracy(scans: Scans) -> None:
    words = "of 120 rows 100 are certified: at most 1 % wrong, 95 % sure, by 300 keyed"
    manifest = replace(scans.score(), review={"promise": {"rows": 100}, "words": ["120 of 120 rows keyed", words]})

    shown = report._page(scans.out, scans.folder, manifest, Counter(), {})

    assert (
        f"% of the labels are expected to be right, if the writing is as in training.\nBy what a person keyed, {words}."
        in shown
    )
    assert f"as in training. By what a person keyed, {words}." in drift.in_markdown(manifest.drift, manifest.certified_words)
    assert drift.in_markdown(scans.score().drift, "").count("\n| ") == len(drift.WORDS) + 1


@pytest.fixture(scope="module")
def scored(registered_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a scored batch that has an unreadable file in it."""
    project = copy_project(registered_project, tmp_path_factory.mktemp("scored"))
    project.sample("data/inbox/batch", 120)
    (project.root / "data/inbox/batch/broken.png").write_bytes(b"no picture")
    project.digits("score", "data/inbox/batch")
    return project


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_what_scoring_and_drift_say_fits_a_terminal_and_cuts_nothing(scored: Project, columns: int) -> None:
    digits = " ".join(DIGITS)
    command = f"unset COLUMNS; stty cols {columns}; {digits} score data/inbox/batch --fresh; {digits} drift"

    said = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", scored.run("script", "-qec", command, "/dev/null").stdout)

    assert [line for line in said.splitlines() if len(line) > columns] == []
    assert "…" not in said
    for words in ("121 images", "error", "review", "data/scores/batch/scores.csv", "longest side", "data/scores/drift.html"):
        assert words in said


def test_without_a_terminal_no_line_of_them_is_broken(scored: Project) -> None:
    said = scored.digits("score", "data/inbox/batch", COLUMNS="60").stdout + scored.digits("drift", COLUMNS="60").stdout

    (row,) = (line for line in said.splitlines() if line.startswith("│ batch "))
    assert "drift" in row.split("│")[-2]
    assert [line for line in said.splitlines() if line.startswith("│ longest side, pixels ")]
