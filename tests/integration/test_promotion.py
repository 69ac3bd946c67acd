"""Who becomes champion, on real Git and DVC: models that are worse, equal, luckier and better, and people who decide."""

import csv
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import terminal
from pipeline.registry import publishing, registering
from pipeline.reports import html
from tests.conftest import DIGITS, ROOT, Project, copy_project

Copy = Callable[[Project], Project]


def answer(project: Project, wrong: Iterable[int], name: str) -> None:
    """Leave another model in the workspace, as the stages would: one that reads all test images but some right."""
    place = project.root / "metrics/predictions.csv"
    table = pd.read_csv(place)
    answered = table["actual"].copy()
    answered.loc[list(wrong)] = (answered.loc[list(wrong)] + 1) % 10
    for digit in range(10):
        table[f"logit_{digit}"] = (answered == digit).astype(int) * 10
    rewrite(place, table.to_csv(index=False))
    metrics = project.root / "metrics/evaluation.json"
    accuracy = {"accuracy": float((answered == table["actual"]).mean())}
    rewrite(metrics, json.dumps(json.loads(metrics.read_text()) | accuracy, indent=2) + "\n")
    card = project.root / "models/digit-cnn/model.json"
    rewrite(card, json.dumps(json.loads(card.read_text()) | {"name": name}))
    project.dvc("commit", "--force")


def rewrite(place: Path, text: str) -> None:
    place.unlink()  # it may be a link into DVC's cache
    place.write_text(text)


def models(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.digits("models", "--json").stdout)
    return found


@pytest.fixture(scope="module")
def answering(trained_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose champion reads 20 of 360 test images wrong. Not to be changed."""
    project = copy_project(trained_project, tmp_path_factory.mktemp("answering"))
    answer(project, range(20), "first")
    project.digits("register")
    return project


@pytest.fixture(scope="module")
def in_turn(answering: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str]]:
    """The same, after four models more came; and what was printed of each. Not to be changed."""
    project = copy_project(answering, tmp_path_factory.mktemp("in-turn"))
    printed = {}
    for name, wrong in {"worse": range(40), "equal": range(10, 30), "luckier": range(15), "better": range(14)}.items():
        answer(project, wrong, name)
        printed[name] = project.digits("register").stdout
    return project, printed


def test_worse_equal_and_luckier_models_are_registered_and_only_a_better_one_is_promoted(
    in_turn: tuple[Project, dict[str, str]],
) -> None:
    project, printed = in_turn
    test = "(McNemar's exact test: p = {}; better needs less than 0.05)\n"

    assert printed["worse"].endswith(
        "not champion: worse: of 360 test images it alone reads 0 right, v1.0.0 alone 20 " + test.format("0.0000")
    )
    assert printed["equal"].endswith(
        "not champion: no difference: of 360 test images it alone reads 10 right, v1.0.0 alone 10 " + test.format("1.0000")
    )
    assert printed["luckier"].endswith(
        "not champion: more right answers, which may be luck: of 360 test images it alone reads 5 right, v1.0.0 alone 0 "
        + test.format("0.0625")
    )
    assert printed["better"].endswith(
        "\nchampion: better: of 360 test images it alone reads 6 right, v1.0.0 alone 0 " + test.format("0.0312")
    )
    found = models(project)
    assert [one["version"] for one in found if one["is_champion"]] == ["v1.4.0"]
    assert [one["verdict"]["comparison"]["outcome"] for one in found] == ["first", "worse", "tie", "luck", "better"]


def test_every_bound_value_distance_and_outcome_is_in_the_tag_and_in_json(in_turn: tuple[Project, dict[str, str]]) -> None:
    project, printed = in_turn
    first = models(project)[0]
    annotation = project.git("tag", "--list", "--format=%(contents)", "digit-cnn@v1.4.0")

    assert annotation.startswith(printed["better"].split("\n", 1)[1])
    assert [check["name"].partition(" (")[0] for check in first["verdict"]["checks"]] == [
        "accuracy",
        "smallest recall",
        "calibration error",
        "worst slice",
        "bytes of model.tflite",
    ]
    for check in first["verdict"]["checks"]:
        assert check["outcome"] == "passed"
        sign = -1 if check["kind"] == "maximum" else 1
        assert check["distance"] == pytest.approx(sign * (check["value"] - check["bound"]), abs=1e-5)
    assert first["slices"]["plain"].keys() == {"accuracy", "review"}


def test_the_list_of_models_shows_what_a_person_decides_by(in_turn: tuple[Project, dict[str, str]]) -> None:
    project, _ = in_turn
    metrics = json.loads((project.root / "metrics/evaluation.json").read_text())

    shown = project.digits("models").stdout

    (line,) = (line for line in shown.splitlines() if "v1.4.0" in line)
    worst = f"{metrics['worst_accuracy']:.4f} {metrics['worst_slice']}"
    for words in (
        "champion",
        "load_digits",
        "0.9611",
        worst,
        f"{metrics['ece']:.4f}",
        "by gate, tester: better than v1.0.0 (p = 0.0312)",
    ):
        assert words in line


def test_rolling_back_is_one_command_and_stands_in_the_history_with_its_reason(
    in_turn: tuple[Project, dict[str, str]], copy_of: Copy
) -> None:
    project = copy_of(in_turn[0])

    project.digits("promote", "v1.0.0", "--because", "the office in Bern\nsaw more errors")

    shown = project.digits("history").stdout.splitlines()
    lines = [line for line in shown if "v1." in line]
    assert [line.split()[1] for line in lines] == ["v1.0.0", "v1.4.0", "v1.0.0"]
    assert "by gate" in lines[1]
    assert "by hand, back" in lines[2]
    assert "the office in Bern saw more errors" in lines[2]
    (line,) = (line for line in project.digits("models").stdout.splitlines() if line.startswith("│ v1.0.0"))
    assert "by hand, tester: the office in Bern saw more errors" in line
    (reign,) = (reign for one in models(project) for reign in one["champion"] if reign["until"] is None)
    assert (reign["version"], reign["how"], reign["by"]) == ("v1.0.0", "hand", "tester")


def test_promotion_ask_registers_a_better_model_and_leaves_the_champion(answering: Project, copy_of: Copy) -> None:
    project = copy_of(answering)
    answer(project, range(10), "better")
    project.set(register__promotion="ask")

    printed = project.digits("register").stdout

    assert "not champion: better: of 360" in printed
    assert "`digits promote v1.1.0` makes it champion (register.promotion is `ask`)" in printed
    assert [one["is_champion"] for one in models(project)] == [True, False]


def test_a_champion_without_predictions_is_not_displaced_by_a_lucky_model(answering: Project, copy_of: Copy) -> None:
    project = copy_of(answering)
    kept = (project.root / "metrics/predictions.csv").read_bytes()
    answer(project, [], "perfect")
    for path in (project.root / ".dvc/cache").rglob("*"):
        if path.is_file() and path.read_bytes() == kept:
            path.unlink()

    printed = project.digits("register").stdout
    compared = project.digits("compare", "v1.0.0", "v1.1.0").stdout

    assert (
        "not champion: the predictions of v1.0.0 are nowhere to be had, so it is held to the bounds alone, and keeps" in printed
    )
    assert "No paired test: digit-cnn v1.0.0: metrics/predictions.csv cannot be read" in compared
    assert "`dvc fetch --all-tags metrics/predictions.csv`" in compared


def test_metrics_edited_by_hand_are_refused(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    metrics = project.root / "metrics/evaluation.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"accuracy": 0.9999}, indent=2) + "\n")

    done = project.digits("register", check=False)

    assert done.returncode == 1
    assert "`dvc status` names evaluate" in done.stderr
    assert project.git("tag") == ""


def test_two_at_once_register_one_after_the_other(answering: Project, copy_of: Copy) -> None:
    project = copy_of(answering)
    answer(project, range(10), "better")
    command = [*DIGITS, "register"]
    started = [
        subprocess.Popen(
            command, cwd=project.root, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]

    ended = [(process, *process.communicate(timeout=120)) for process in started]

    outputs = sorted(output.splitlines()[0] for _, output, _ in ended)
    assert [process.returncode for process, _, _ in ended] == [0, 0]
    assert outputs == ["digit-cnn v1.1.0", "digit-cnn v1.1.0 is this very model already; nothing was changed"]
    assert any("waiting for another `digits register` of digit-cnn" in errors for *_, errors in ended)
    assert len(project.git("tag").split()) == 4


def test_the_registry_may_change_while_a_model_is_judged_which_is_judged_again_then(
    in_turn: tuple[Project, dict[str, str]], copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(in_turn[0])
    answer(project, range(12), "better than v1.0.0")
    judge, judged = registering._judge, []

    def judge_and_meanwhile(*arguments: Any, **options: Any) -> Any:
        verdict = judge(*arguments, **options)
        judged.append(verdict.comparison.promotes if verdict.comparison else None)
        publishing.promote("v1.0.0", "meanwhile", terminal.say)
        return verdict

    monkeypatch.setattr(registering, "_judge", judge_and_meanwhile)

    printed = project.digits("register").stdout

    assert judged == [False, True]
    assert "of 360 test images it alone reads 8 right, v1.0.0 alone 0" in printed
    assert [one["version"] for one in models(project) if one["is_champion"]] == ["v1.5.0"]


@pytest.mark.parametrize("edit", ["another label", "a row less", "no row"])
def test_answers_that_somebody_edited_are_no_answers_of_the_model(two_models: Project, copy_of: Copy, edit: str) -> None:
    project = copy_of(two_models)
    command = ["compare", "v1.0.0", "v1.1.0", "--on", "data/inbox/batch"]
    first = project.digits(*command).stdout
    written = project.root.glob("data/comparisons/v1.0.0-v1.1.0/v1.1.0/*/scores.csv")
    scores = max(written, key=lambda path: path.stat().st_mtime_ns)  # the other is of the project that this is a copy of
    head, *rows = scores.read_text().splitlines(keepends=True)
    edited = {
        "another label": [head, *(re.sub(",1,[0-9],", ",1,5,", row, count=1) for row in rows)],
        "a row less": [head, *rows[:-1]],
        "no row": [head],
    }
    scores.write_text("".join(edited[edit]))

    assert project.digits(*command).stdout == first


def test_two_models_are_compared_side_by_side_and_on_folders(two_models: Project, copy_of: Copy) -> None:
    project = copy_of(two_models)

    project.sample("elsewhere/batch", 10)

    shown = project.digits("compare", "v1.0.0", "champion", "--on", "data/inbox/batch", "elsewhere/batch").stdout

    versions = {one["version"]: one for one in models(project)}
    figures = [versions[version]["metrics"]["accuracy"] for version in ("v1.0.0", "v1.1.0")]
    (line,) = (line for line in shown.splitlines() if line.startswith("│ accuracy"))
    assert [cell.strip() for cell in line.split("│")[1:-1]] == [
        "accuracy",
        *map(str, figures),
        f"{figures[1] - figures[0]:+.6g}",
    ]
    assert "│ paper: review" in shown
    assert "by McNemar's exact test" in shown
    with (project.root / "data/comparisons/v1.0.0-v1.1.0/changed.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert f"{len(rows)} of 210 rows change" in shown
    for row in rows:
        assert row["folder"] in ("data/inbox/batch", "elsewhere/batch")
        before, after = ((row[f"label_{version}"], row[f"status_{version}"]) for version in ("v1.0.0", "v1.1.0"))
        assert before != after
    with (project.root / "data/scores/batch/scores.csv").open(encoding="utf-8", newline="") as file:
        first = {row["file"]: row for row in csv.DictReader(file)}
    for row in rows:
        assert row["confidence_v1.0.0"] == first[row["file"]]["confidence"]
    assert len(rows) > 5
    assert "data/comparisons/v1.0.0-v1.1.0/changed.html" in shown.splitlines()
    lines = map(json.loads, html.lines_of(project.root / "data/comparisons/v1.0.0-v1.1.0/changed.html"))
    assert [(line[0], line[2], line[10][0], line[11]) for line in lines] == [
        (row["file"], row["label_v1.1.0"], row["label_v1.0.0"], int(row["folder"] == "elsewhere/batch")) for row in rows
    ]


def test_recipes_are_compared_by_the_command_that_the_page_shows(two_models: Project) -> None:
    (command,) = re.findall(r"^\$ (dvc exp show .*)$", (ROOT / "docs/registry.md").read_text(encoding="utf-8"), re.MULTILINE)

    shown = two_models.run(*shlex.split(command)).stdout.strip().splitlines()

    columns = [cell.strip() for cell in shown[0].split("|")[1:-1]]
    assert columns[:2] == ["Experiment", "accuracy"]
    assert "train.epochs" in columns
    assert len(columns) < 10
    assert len(shown) == 5  # head and rule, the workspace, the branch, the experiment


def test_the_plots_of_two_recipes_are_drawn_side_by_side(two_models: Project, tmp_path: Path) -> None:
    shown = json.loads(two_models.dvc("plots", "diff", "--json", "--out", str(tmp_path), "HEAD", "workspace").stdout)

    for plot in ("plots/slices.csv", "Errors by digit", "plots/confusion.csv", "plots/reliability.csv"):
        (drawn,) = shown["data"][plot]
        assert {point["rev"] for point in drawn["content"]["data"]["values"]} == {"HEAD", "workspace"}


def test_the_gate_replays_the_last_batches_and_reports_what_would_change(two_models: Project) -> None:
    verdict = models(two_models)[1]["verdict"]

    assert verdict["replay"].startswith("replay: data/inbox/batch with v1.0.0 and v1.1.0: ")
    assert 0 < verdict["changed_share"] <= 1
    assert len(verdict["checks"]) == 5
    assert verdict["replay"] in two_models.git("tag", "--list", "--format=%(contents)", "digit-cnn@v1.1.0")


def test_a_bound_on_what_the_replay_changes_refuses_a_model(two_models: Project, copy_of: Copy) -> None:
    project = copy_of(two_models)
    project.git("tag", "--delete", "digit-cnn@v1.1.0", *project.git("tag", "--list", "digit-cnn#champion#2").split())
    project.set(register__replay__maximum_changed_share=0.001)

    done = project.digits("register", check=False)

    assert done.returncode == 1
    assert "error: not registered: changed share of the replay 0." in done.stderr
    assert ", at most 0.0010: missed by" in done.stderr
    assert project.git("tag").split() == ["digit-cnn#champion#1", "digit-cnn@v1.0.0"]


@pytest.mark.slow
def test_a_model_is_made_again_by_the_commands_that_are_shown_with_it(two_models: Project, copy_of: Copy) -> None:
    project = copy_of(two_models)
    shown = project.digits("models", "v1.0.0").stdout
    commands = [line.strip() for line in shown.splitlines() if line.startswith(("  git ", "  cd ", "  dvc "))]

    done = project.run("bash", "-ec", "\n".join(commands))

    made = project.root.parent / "digit-cnn-v1.0.0"
    assert "Running stage 'train'" in done.stdout
    for name in ("model.keras", "model.tflite"):
        fetched = project.root / "digit-cnn-v1.0.0" / name
        assert (made / "models/digit-cnn" / name).read_bytes() == fetched.read_bytes()
    for words in ("Gate", "accuracy 0.", "train.architecture plain", "champion from", "by gate, tester: there was no champion"):
        assert words in shown


def test_a_version_that_is_not_there_is_said(answering: Project) -> None:
    for command in (["models", "v9.0.0"], ["compare", "v1.0.0", "v9.0.0"]):
        done = answering.digits(*command, check=False)

        assert done.returncode == 1
        assert done.stderr == "error: v9.0.0: no such version of digit-cnn. Registered: v1.0.0. See `digits models`.\n"


def test_versions_of_other_test_sets_are_shown_and_never_compared(answering: Project, copy_of: Copy) -> None:
    project = copy_of(answering)
    metrics = project.root / "metrics/evaluation.json"
    answer(project, [], "perfect")
    rewrite(metrics, metrics.read_text().replace('"test_set": "', '"test_set": "other'))
    project.dvc("commit", "--force")

    printed = project.digits("register").stdout
    compared = project.digits("compare", "v1.0.0", "v1.1.0").stdout

    assert "not champion: another test set of load_digits than v1.0.0's: not comparable" in printed
    assert "They were tested on different images" in compared
    assert "change" not in compared
    assert "McNemar" not in compared


def test_registering_with_no_cache_of_the_champion_says_what_the_replay_lacks(two_models: Project, copy_of: Copy) -> None:
    project = copy_of(two_models)
    project.git("tag", "--delete", "digit-cnn@v1.1.0", *project.git("tag", "--list", "digit-cnn#champion#2").split())
    shutil.rmtree(project.root / ".dvc/cache")
    shutil.rmtree(project.root / ".dvc/tmp")
    project.dvc("commit", "--force")

    printed = project.digits("register").stdout

    assert "replay: digit-cnn v1.0.0: models/digit-cnn/model.tflite" in printed
    assert "`dvc fetch --all-tags models/digit-cnn`" in printed
