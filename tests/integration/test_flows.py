"""The flows on a real temporary Prefect server."""

import csv
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.testing.utilities import prefect_test_harness

from flows.scoring import look_into, score_inbox
from flows.stages import Stage, _repro, read_graph
from flows.training import train
from tests.conftest import Project, too_deep

STAGES = ["ingest", "validate", "reshape", "train", "evaluate"]


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def project(registered_project: Project, copy_of: Callable[[Project], Project], monkeypatch: pytest.MonkeyPatch) -> Project:
    project = copy_of(registered_project)
    monkeypatch.chdir(project.root)
    return project


def task_states(state: State[Any]) -> dict[str, str | None]:
    """Give the names of a run's tasks and of their states."""
    run = state.state_details.flow_run_id
    assert run
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])))
    return {task.name: task.state.name for task in tasks if task.state}


def artifact(key: str) -> Any:
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/latest/filter", json={"artifacts": {"key": {"any_": [key]}}}).json()
    return found[0]["data"]


def progress_of(state: State[Any]) -> dict[str, float]:
    """Give the last progress that each task of a run showed, by its description."""
    search = {
        "flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}},
        "artifacts": {"type": {"any_": ["progress"]}},
    }
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json=search).json()
    return {one["description"]: one["data"] for one in found}


def test_the_graph_is_read_from_dvc(project: Project) -> None:
    graph = read_graph()

    assert [stage.name for stage in graph] == STAGES
    assert Stage("reshape", ("ingest", "validate")) in [Stage(one.name, tuple(sorted(one.upstream))) for one in graph]


def test_unchanged_stages_show_as_such_and_a_known_model_changes_nothing(project: Project) -> None:
    state = train(return_state=True)

    assert state.is_completed()
    assert state.name == "Unchanged"
    assert task_states(state) == {**dict.fromkeys([*STAGES, "register"], "Unchanged")}


def test_only_what_changed_runs_and_a_new_version_comes_of_it(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.set(train__epochs=6)

    state = train(return_state=True)

    assert state.name == "Champion"
    assert "digit-cnn v1.1.0" in (state.message or "")
    assert task_states(state) == {
        **dict.fromkeys(["ingest", "validate", "reshape"], "Unchanged"),
        **dict.fromkeys(["train", "evaluate"], "Completed"),
        "register": "Champion",
    }
    summary = artifact("training-summary")
    assert "| train | Completed |" in summary
    with (project.root / "plots/classes.csv").open() as file:
        classes = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert any(row["precision"] != row["recall"] for row in classes)
    assert "| digit | precision | recall |" in summary
    for row in classes:
        assert f"| {row['digit']:.0f} | {row['precision']:.4f} | {row['recall']:.4f} |" in summary
    assert f"[reports/training.html]({(project.root / 'reports/training.html').as_uri()})" in summary
    page = (project.root / "reports/training.html").read_text()
    assert "digit-cnn v1.1.0, trained on load_digits" in page
    assert "champion: better: of 360 test images" in page
    assert "load_digits" in artifact("metrics")
    logged = [record.getMessage() for record in caplog.records if record.name == "prefect.task_runs"]
    started = logged.index("> python -m pipeline.stages.train") + 1
    assert [line.split(":")[0] for line in logged[started : started + 6]] == [f"epoch {n} of 6" for n in range(1, 7)]
    assert logged[started + 6] == "Updating lock file 'dvc.lock'"
    assert not [line for line in logged if "git add" in line or "dvc push" in line]


def test_a_refusal_of_the_gate_completes_the_run_with_the_verdict(
    trained_project: Project, copy_of: Callable[[Project], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(trained_project)
    monkeypatch.chdir(project.root)
    project.set(register__load_digits__minimum_accuracy=1.0)

    state = train(return_state=True)

    assert state.is_completed()
    assert state.name == "Refused"
    assert "at least 1.0000: missed by" in (state.message or "")
    summary = artifact("training-summary")
    for bound in ("accuracy", "smallest recall", "calibration error", "worst slice (", "bytes of model.tflite"):
        assert f"\n{bound}" in summary
        assert f"{bound}" in (project.root / "reports/training.html").read_text()
    assert task_states(state)["register"] == "Refused"
    assert project.git("tag") == ""


def test_a_stage_that_fails_ends_the_run_with_its_own_words(project: Project) -> None:
    project.set(validate__minimum_peak=255)
    project.set(validate__maximum_border=0)
    project.set(validate__maximum_ink=0.2)

    state = train(return_state=True)

    assert state.is_failed()
    assert "validate: " in (state.message or "")
    assert "few_images_are_saturated" in (state.message or "")
    shown = artifact("validation")
    report = json.loads((project.root / "data/validation/report.json").read_text())
    assert f"{report['critical']} critical, {report['warnings']} warnings, {report['passed']} passed" in shown
    assert "| critical | few_images_are_saturated | " in shown
    assert (project.root / "data/validation/report.html").as_uri() in shown
    assert (project.root / "data/validation/data-docs/index.html").as_uri() in shown


def test_every_new_batch_of_the_inbox_is_scored_once(project: Project) -> None:
    for name in ("monday", "tuesday"):
        project.digits("sample", f"data/inbox/{name}", "--count", "5")

    first = score_inbox(return_state=True)
    second = score_inbox(return_state=True)

    assert first.message == "scored monday (5 images), tuesday (5 images)"
    assert second.name == "Unchanged"
    assert (project.root / "data/scores/tuesday/scores.csv").exists()
    assert task_states(first) == {"monday": "Completed", "tuesday": "Completed"}
    assert progress_of(first) == {"Files of monday that have their rows": 100, "Files of tuesday that have their rows": 100}


def test_one_batch_that_fails_does_not_keep_the_others_from_being_scored(project: Project) -> None:
    (project.root / "data/inbox/a-bad").mkdir()
    (project.root / "data/inbox/a-bad/x.png").write_bytes(b"bad")
    project.digits("sample", "data/inbox/b-good", "--count", "5")

    state = score_inbox(return_state=True)

    assert state.is_failed()
    assert "a-bad: " in (state.message or "")
    assert (project.root / "data/scores/a-bad/scores.csv").exists()
    assert (project.root / "data/scores/b-good/scores.csv").exists()


def test_any_name_of_a_batch_will_do(project: Project) -> None:
    for name in ("{1}", "{name}", "a b;c", "ü"):
        project.digits("sample", f"data/inbox/{name}", "--count", "2")

    state = score_inbox(return_state=True)

    assert state.is_completed()
    assert len(list((project.root / "data/scores").glob("*/scores.csv"))) == 4


def test_a_batch_without_a_champion_fails_with_the_way_to_get_one(
    trained_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained_project.root)
    monkeypatch.setattr("pipeline.layout.INBOX", tmp_path)
    (tmp_path / "batch").mkdir()

    state = score_inbox(return_state=True)

    assert state.is_failed()
    assert "no champion yet. Train and register a model" in (state.message or "")


def test_a_cancelled_stage_leaves_no_process_behind(project: Project) -> None:
    project.set(train__epochs=500)
    lines = _repro("train")
    for line in lines:
        if line.startswith("epoch 2 of 500:"):
            break

    with pytest.raises(KeyboardInterrupt):
        lines.throw(KeyboardInterrupt)

    left = subprocess.run(["pgrep", "--full", "pipeline.stages.train"], capture_output=True, text=True, check=False).stdout
    assert [pid for pid in left.split() if Path(f"/proc/{pid}/cwd").resolve() == project.root] == []
    assert not (project.root / "models/digit-cnn").exists()


def test_a_batch_without_a_picture_yet_is_no_failure(project: Project) -> None:
    (project.root / "data/inbox/to-be-filled").mkdir()

    state = score_inbox(return_state=True)

    assert state.is_completed()
    assert state.name == "Incomplete"
    assert "data/inbox/to-be-filled: no images to score (0 other files" in (state.message or "")


def test_an_empty_inbox_is_no_failure(project: Project) -> None:
    assert score_inbox(return_state=True).name == "Empty"


def test_the_inbox_is_batches_and_what_lies_beside_them(tmp_path: Path) -> None:
    for name in ("b", "a", ".half-copied"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "file.png").touch()

    inbox = look_into(tmp_path)

    assert [path.name for path in inbox.batches] == ["a", "b"]
    assert [path.name for path in inbox.loose] == ["file.png", "link"]
    assert look_into(tmp_path / "missing").batches == []


def test_an_inbox_that_cannot_be_read_fails_with_its_reason(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.layout.INBOX", Path("params.yaml"))

    state = score_inbox(return_state=True)

    assert state.is_failed()
    assert state.message == "params.yaml: cannot be read: Not a directory. Make it readable and run again."


def test_what_has_no_row_is_named_and_makes_the_run_incomplete(project: Project) -> None:
    (project.root / "data/inbox/phone").mkdir()
    (project.root / "data/inbox/phone/a.svg").touch()
    (project.root / "data/inbox/loose.png").touch()
    project.digits("sample", "data/inbox/monday", "--count", "2")
    (project.root / "data/inbox/monday/b.psd").touch()
    too_deep(project.root / "data/inbox/monday")

    states = [score_inbox(return_state=True) for _ in range(2)]

    for state, scored in zip(states, ("scored monday (2 images); ", "nothing new to score; "), strict=True):
        assert state.is_completed()
        assert state.name == "Incomplete"
        message = state.message or ""
        assert message.startswith(scored)
        assert "monday: folders that could not be read: deepdeep" in message
        assert "phone: data/inbox/phone: no images to score" in message
        assert "beside the batches in data/inbox, and not looked at: loose.png; " in message
        assert message.endswith("monday: pictures of a kind that is not read: b.psd (1 in all)")


def test_a_batch_whose_name_is_no_utf_8_is_scored(project: Project) -> None:
    project.digits("sample", "data/inbox/plain", "--count", "2")
    (project.root / "data/inbox/plain").rename(os.fsdecode(os.fsencode(project.root) + b"/data/inbox/caf\xe9"))
    project.digits("sample", r"data/inbox/caf\xe9", "--count", "3")

    state = score_inbox(return_state=True)

    assert state.is_completed()
    assert state.message == r"scored caf\xe9 (3 images), caf\xe9 (2 images)"
    assert task_states(state) == {r"caf\xe9": "Completed"}
    rows = json.loads(artifact("scores"))
    assert {row["batch"] for row in rows} == {r"caf\xe9"}
    assert all(row["report"].startswith("[report.html](file:///") for row in rows)


def test_a_batch_of_blank_pages_is_scored_and_makes_the_run_suspect(project: Project) -> None:
    project.digits("sample", "data/inbox/blank", "--count", "12")
    for path in (project.root / "data/inbox/blank").iterdir():
        path.write_bytes(cv2.imencode(".png", np.full((60, 60), 250, np.uint8))[1].tobytes())

    state = score_inbox(return_state=True)

    assert state.is_completed()
    assert state.name == "Suspect"
    assert "scored blank (12 images); blank: MostlyBlank: 12 of 12 pictures are blank: " in (state.message or "")
    assert (project.root / "data/scores/blank/scores.csv").is_file()
