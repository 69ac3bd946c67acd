"""Own labelled scans from a folder into a champion, under DVC and Git."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from flows import labelled
from flows.training import _brought
from pipeline import layout, params
from pipeline.datasets import own
from pipeline.labelled import choosing
from pipeline.registry import contents, own_test
from pipeline.reports.training import OwnTest
from pipeline.review.queue import Mode
from pipeline.review.session import Session
from tests import in_process
from tests.conftest import Once, Project

MODEL = f"{layout.MODEL}/{layout.SCORING_MODEL}"


def metrics(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.root / layout.METRICS).read_text())
    return found


def write_letters(folder: Path) -> None:
    """Write pictures that show no digit."""
    folder.mkdir()
    for letter in "ABKMRX":
        cv2.imwrite(
            str(folder / f"{letter}.png"), cv2.putText(np.full((44, 40), 240, np.uint8), letter, (6, 36), 0, 1.2, (20,), 3)
        )


@pytest.fixture(scope="module")
def own_project(registered_project: Project, once: Once) -> Project:
    """A project with a champion and a model that learned from own scans too. Not to be changed."""

    def make(project: Project) -> None:
        project.write_scans(project.home / "scans", 400)
        write_letters(project.home / "scans/none")
        project.set(register__own__minimum_images=50, train__epochs=4)
        project.digits("collect", str(project.home / "scans"), "--as", "mine")
        with in_process.stages():
            project.dvc("repro")

    return once("own", make, registered_project)


@pytest.fixture
def project(own_project: Project, copy_of: Callable[[Project], Project]) -> Project:
    return copy_of(own_project)


def test_the_model_learns_from_own_scans_and_is_tested_on_others(own_project: Project) -> None:
    measured = metrics(own_project)
    scans = own.read(own_project.root / layout.OWN)
    slices = json.loads((own_project.root / layout.SLICES).read_text())

    assert measured["own_images"] == (scans.parts == own.TEST).sum() > 50
    assert measured["own_test_set"] == scans.test_set
    assert 0.5 < measured["own_acc_low"] < measured["own_accuracy"] < measured["own_acc_high"] <= 1
    assert {"own_nll", "own_ece", "own_ok", "own_ok_right"} <= measured.keys()
    assert slices["own scans"] == {"accuracy": measured["own_accuracy"], "review": pytest.approx(1 - measured["own_ok"])}
    assert measured["worst_slice"] != "own scans"


def test_of_what_shows_no_digit_nothing_is_learned_and_it_is_measured_how_much_is_doubted(own_project: Project) -> None:
    scans, measured = own.read(own_project.root / layout.OWN), metrics(own_project)
    summary = json.loads((own_project.root / layout.COLLECTED / layout.SUMMARY).read_text())

    assert (
        (scans.parts == own.NO_DIGIT).sum() == (scans.labels == own.LABEL_OF_NONE).sum() == measured["own_no_digit_images"] == 6
    )
    assert 0 <= measured["own_no_digit_doubted"] <= 1
    assert (summary["scans"], summary["no_digit"], sum(summary["digits"])) == (400, 6, 400)
    assert set(scans.part(own.TRAIN).labels) <= set(range(10))


def test_what_is_there_is_listed_with_what_the_model_learned_from(own_project: Project) -> None:
    scans = own.read(own_project.root / layout.OWN)

    listed = own_project.digits("collect", "--list").stdout.splitlines()[3]

    cells = [cell.strip() for cell in listed.split("│")[1:-1]]
    assert cells[:2] == ["mine", "400"]
    assert cells[12] == str(np.isin(scans.parts, (own.TRAIN, own.VALIDATION)).sum())
    assert cells[-1].endswith("/home/scans")


def test_the_gate_compares_both_models_on_own_scans(project: Project) -> None:
    said = project.digits("register").stdout

    assert f"of {metrics(project)['own_images']} own scans " in said
    assert "champion: better: of 360 test images it alone reads" in said
    tree = project.git("ls-tree", "-r", "--name-only", "digit-cnn@v1.1.0", "data/labelled").split()
    assert tree == ["data/labelled/.gitignore", "data/labelled/README.md", "data/labelled/mine.dvc"]
    compared = project.digits("compare", "v1.0.0", "v1.1.0").stdout
    assert "own_accuracy" in compared
    # The champion learned these very scans: the version before it audits their labels.
    audited = project.digits("audit", "data/labelled/mine", "--first", "1")
    assert re.search(r"^\d+ of 400 labels are likely wrong; 6 pictures have no label of a digit", audited.stdout, re.MULTILINE)
    assert json.loads((project.root / "data/audits/mine/manifest.json").read_text())["model"] == "v1.0.0"


def test_the_report_shows_what_own_scans_brought(project: Project) -> None:
    project.digits("report")

    page = (project.root / "reports/training.html").read_text()
    table = page.split('id="own"')[1].split("</table>")[0]
    rows = [re.findall(r"<t[dh][^>]*>([^<]*)<", row) for row in table.split("<tr>")[1:]]
    count = metrics(project)["own_images"]
    assert rows[0] == ["digit", "scans", "right with v1.0.0", "right with this model"]
    assert [row[0] for row in rows[1:]] == [*map(str, range(10)), "all"]
    assert rows[-1][1] == str(count)
    assert int(rows[-1][3]) == round(metrics(project)["own_accuracy"] * count)
    assert int(rows[-1][2]) < int(rows[-1][3])
    gained, lost = (int(one) for one in re.findall(r"<h3>Only .*: (\d+)</h3>", page))
    assert gained - lost == int(rows[-1][3]) - int(rows[-1][2])
    assert len(re.findall('alt="a \\d that was read as \\d"', page.split('id="own"')[1].split("<h2")[0])) == gained + lost
    project.digits("register")
    project.digits("report")
    assert "right with v1.0.0" in (project.root / "reports/training.html").read_text()


def test_few_own_scans_decide_nothing_and_the_gate_says_so(project: Project) -> None:
    project.set(register__own__minimum_images=1000)

    count = metrics(project)["own_images"]
    assert f"; the {count} own test scans are not compared, for they are less than 1000" in project.digits("register").stdout


def test_a_champion_whose_bytes_are_gone_is_compared_without_own_scans(project: Project) -> None:
    lock = project.git("show", "digit-cnn@v1.0.0:dvc.lock")
    folder = str(contents.recorded_hash(lock, layout.MODEL))
    cache = project.root / ".dvc/cache/files/md5"
    for one in json.loads((cache / folder[:2] / folder[2:]).read_text()):
        (cache / one["md5"][:2] / one["md5"][2:]).unlink()

    assert "; own scans are not compared: digit-cnn v1.0.0" in project.digits("register").stdout


def test_scans_that_nobody_keeps_are_not_registered(project: Project) -> None:
    project.write_scans(project.root / "data/labelled/by-hand", 430)
    with in_process.stages():
        project.dvc("repro", "collect")
        project.dvc("repro")

    done = project.digits("register", check=False)

    assert done.returncode == 1
    assert "data/labelled/by-hand: nobody keeps these scans" in done.stderr
    assert "Run `dvc add data/labelled/by-hand`" in done.stderr


def test_a_clone_without_the_scans_stops_and_says_how_to_fetch_them(project: Project) -> None:
    project.git("add", "data", "dvc.lock", "params.yaml", "metrics", "plots")
    project.git("commit", "--quiet", "--all", "--message", "Learn from own scans")
    shutil.rmtree(project.root / "data/labelled/mine")

    done = project.dvc("repro", check=False)
    by_hand = project.digits("collect", check=False)

    assert done.returncode != 0
    assert "data/labelled/mine" in done.stderr
    assert by_hand.stderr == "error: data/labelled/mine: not here. Fetch its scans with `dvc pull data/labelled/mine.dvc`.\n"


def test_without_own_scans_the_same_model_is_made_as_ever(project: Project, registered_project: Project) -> None:
    project.set(train__epochs=2)
    shutil.rmtree(project.root / "data/labelled/mine")
    (project.root / "data/labelled/mine.dvc").unlink()

    with in_process.stages():
        project.dvc("repro")

    assert (project.root / MODEL).read_bytes() == (registered_project.root / MODEL).read_bytes()
    assert metrics(project) == metrics(registered_project)


@pytest.mark.slow
def test_training_can_begin_with_the_champion(project: Project) -> None:
    project.set(train__start="champion", train__epochs=1)

    with in_process.stages():
        warm = project.dvc("repro").stdout
        project.set(train__start="fresh")
        fresh = project.dvc("repro").stdout

    def loss(said: str) -> float:
        return float(said.split("epoch 1 of 1: loss ")[1].split(",", 1)[0])

    assert loss(warm) < loss(fresh) / 2
    project.set(train__start="champion", train__architecture="compact")
    with in_process.stages():
        other = project.dvc("repro", check=False)
    assert "the champion is no compact: its weights do not fit. Set train.start to fresh" in other.stderr


def test_training_that_should_begin_with_a_champion_says_where_there_is_none(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    project.set(train__start="champion")

    with in_process.stages():
        done = project.dvc("repro", check=False)

    assert "error: train.start is champion, but there is none to begin with" in done.stderr
    assert "Or set it to fresh." in done.stderr


def test_the_summary_in_prefect_shows_right_answers_before_and_after_by_digit() -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    labels, after, before = np.array([7, 7, 1], np.uint8), np.array([7, 1, 1]), np.array([1, 7, 7])

    words = _brought(OwnTest(images, labels, after, before, "v1.2.0"))
    first = _brought(OwnTest(images, labels, after, None, ""))

    assert "| own scans | number | right with v1.2.0 | right now |\n| --- | --- | --- | --- |\n" in words
    assert "| 1 | 1 | 0 | 1 |\n" in words
    assert "| all | 3 | 1 | 2 |\n" in words
    assert words.endswith("- Only this model reads, and v1.2.0 does not: 2\n- Only v1.2.0 reads, and this model does not: 1\n")
    assert "| all | 3 | 2 |\n" in first


def test_each_state_of_labelled_scans_is_announced_once(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(labelled, "emit_event", lambda event, resource, payload: told.append(f"{event} {payload['folder']}"))

    def track(name: str, state: str) -> list[str]:
        layout.LABELLED.mkdir(parents=True, exist_ok=True)
        (layout.LABELLED / f"{name}.dvc").write_text(state)
        return labelled.announce()

    assert labelled.announce() == []
    assert track("a", "one") == ["a"]
    assert track("a", "one") == []
    assert track("b.c", "one") == ["b.c"]
    assert track("a", "two") == ["a"]
    (layout.LABELLED / "a.dvc").unlink()
    assert labelled.announce() == []
    assert told == [f"digits.labelled.added data/labelled/{name}" for name in ("a", "b.c", "a")]


def test_where_nothing_can_be_remembered_nothing_is_announced(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled, "emit_event", pytest.fail)
    layout.LABELLED.mkdir(parents=True)
    (layout.LABELLED / "a.dvc").write_text("one")
    (in_folder / ".dvc").touch()  # no folder, so that none can be made in it

    assert labelled.announce() == []


def test_what_dvc_did_not_write_is_not_announced_and_stops_nothing(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled, "emit_event", pytest.fail)
    (layout.LABELLED / "folder.dvc").mkdir(parents=True)

    assert labelled.announce() == []


@pytest.mark.slow
def test_what_a_person_keyed_of_a_batch_makes_the_next_model_read_other_scans_better(
    registered_project: Project, copy_of: Callable[[Project], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(registered_project)
    monkeypatch.chdir(project.root)
    project.write_scans(layout.INBOX / "batch", 300)
    project.write_scans(project.home / "all", 600)
    project.set(train__epochs=4)
    settings = params.load(layout.PARAMS)
    before = contents.of_workspace("before")
    project.digits("score", "data/inbox/batch")
    session = Session(layout.SCORES / "batch", "ada", Mode(is_blind=True), settings.score)
    while found := session.next(1):
        item, _ = found[0]
        session.answer(item.picture, item.look, os.fsdecode(item.path)[0], 1.0, os.urandom(8).hex())

    said = project.digits("learn", "batch").stdout
    with in_process.stages():
        project.dvc("repro")

    keyed = session.state().done
    assert said.startswith(f"{keyed} labelled scans copied into data/labelled/review-batch: ")
    for_git = "data/labelled/review-batch.dvc, data/labelled/review-batch.csv and data/labelled/.gitignore"
    assert f"commit {for_git}. `dvc repro` trains on them." in said
    assert keyed > 50
    known = {file.name for file in (project.root / layout.INBOX / "batch").rglob("*.png")}
    everything = choosing.of_folder(project.home / "all", settings.score, print, lambda *_: None)
    others = choosing.to_learn_from([one for one in everything if Path(one.name).name not in known], settings.collect)
    assert len(others.labels) == 300
    was, now = (own_test.answers(model, others) for model in (before, contents.of_workspace("after")))
    assert (now.answered == others.labels).mean() > (was.answered == others.labels).mean() + 0.05
