"""The flows on a real temporary Prefect server."""

import csv
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.events.worker import EventsWorker
from prefect.exceptions import ParameterTypeError
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings

from flows import server, standalone
from flows.scoring import score_batch, score_inbox
from flows.stages import _repro, read_graph
from flows.training import train
from pipeline.errors import PipelineError
from pipeline.scoring import executors, run
from tests.conftest import Project, too_deep

STAGES = ["ingest", "validate", "reshape", "collect", "train", "evaluate"]


@pytest.fixture(scope="module", autouse=True)
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("prefect")
    with (
        server.running({**os.environ, "PREFECT_HOME": str(home)}) as (url, secret),
        temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: secret, PREFECT_HOME: home}),
    ):
        server.wait(url, 120)
        yield
        # Their threads would live on beside other files' tests, and draw from `random`, whose state Hypothesis watches.
        EventsWorker.drain_all(timeout=5)
        APILogWorker.drain_all(timeout=5)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"Host": "elsewhere.example"}, 400),
        ({"Origin": "http://elsewhere.example"}, 401),
        ({"Authorization": "Basic ZGlnaXRzOg=="}, 401),
        ({}, 401),
    ],
)
def test_the_temporary_server_answers_nobody_else(told: dict[str, str], code: int) -> None:
    found = httpx.post(f"{PREFECT_API_URL.value()}/block_documents/filter", json={"include_secrets": True}, headers=told)

    assert found.status_code == code
    assert "access-control-allow-origin" not in found.headers


def test_who_knows_no_password_is_told_where_it_stands() -> None:
    with (
        temporary_settings({PREFECT_API_AUTH_STRING: "digits:digits"}),
        pytest.raises(
            PipelineError, match=r"/api: it asks for a password\. Set PREFECT_API_AUTH_STRING; .* \.prefect/password\.$"
        ),
    ):
        standalone.require_prefect()


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


def name_of(state: State[Any]) -> str:
    run = state.state_details.flow_run_id
    assert run
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).name


def stages_left(project: Project) -> list[str]:
    """Give the processes of stages that still run in a project."""
    left = subprocess.run(["pgrep", "--full", "pipeline.stages"], capture_output=True, text=True, check=False).stdout
    return [pid for pid in left.split() if Path(f"/proc/{pid}/cwd").resolve() == project.root]


def let_reshape_hang(project: Project) -> None:
    project.edit(
        "pipeline/stages/reshape.py",
        "    dataset.write(layout.ARRAYS, split(raw.read(layout.RAW), settings.validation_share, settings.seed))\n",
        "    import time\n\n    while True:\n        print('it hangs', flush=True)\n        time.sleep(0.1)\n",
    )


def test_the_graph_is_read_from_dvc(project: Project) -> None:
    graph = read_graph()

    assert list(graph) == STAGES
    assert sorted(graph["reshape"]) == ["ingest", "validate"]


def test_unchanged_stages_show_as_such_and_a_known_model_changes_nothing(project: Project) -> None:
    state = train(return_state=True)

    assert state.is_completed()
    assert state.name == "Unchanged"
    assert task_states(state) == {**dict.fromkeys([*STAGES, "register"], "Unchanged")}
    assert_classes(project)


def assert_told(state: State[Any], caplog: pytest.LogCaptureFixture) -> None:
    """Hold what a run shows of its training to what happened: the page, the lines of the log, the progress."""
    summary = artifact("training-summary")
    assert "| train | Completed |" in summary
    assert "| digit | precision | recall |" in summary
    assert "load_digits" in artifact("metrics")
    logged = [record.getMessage() for record in caplog.records if record.name == "prefect.task_runs"]
    started = logged.index("> python -m pipeline.stages.train") + 1
    assert [line.split(":")[0] for line in logged[started : started + 6]] == [f"epoch {n} of 6" for n in range(1, 7)]
    assert logged[started + 6] == "Updating lock file 'dvc.lock'"
    assert progress_of(state) == {"Epochs of train that are done": 100}
    assert not [line for line in logged if "git add" in line or "dvc push" in line]


def assert_classes(project: Project) -> str:
    """Hold the page of the last training to the precision and recall of each digit, and give it."""
    summary: str = artifact("training-summary")
    with (project.root / "plots/classes.csv").open() as file:
        classes = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert any(row["precision"] != row["recall"] for row in classes)
    for row in classes:
        assert f"| {row['digit']:.0f} | {row['precision']:.4f} | {row['recall']:.4f} |" in summary
    return summary


@pytest.mark.slow  # `make test` sees most of it in the run with settings of its own
def test_only_what_changed_runs_and_a_new_version_comes_of_it(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    project.set(train__epochs=6)

    state = train(return_state=True)

    assert state.name == "Champion"
    assert "digit-cnn v1.1.0" in (state.message or "")
    assert task_states(state) == {
        **dict.fromkeys(["ingest", "validate", "reshape", "collect"], "Unchanged"),
        **dict.fromkeys(["train", "evaluate"], "Completed"),
        "register": "Champion",
    }
    assert_told(state, caplog)
    summary = assert_classes(project)
    assert f"[the training report]({(project.root / 'reports/training.html').as_uri()})" in summary
    page = (project.root / "reports/training.html").read_text()
    assert "digit-cnn v1.1.0, trained on load_digits" in page
    assert ">Champion v1.1.0: kept all five bounds, beat v1.0.0 by " in page
    assert ">better: of 360 test images" in page


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
        project.sample(f"data/inbox/{name}", 5)

    first = score_inbox(return_state=True)
    second = score_inbox(return_state=True)

    assert re.fullmatch(r"monday: 5 images(, \d to review)?; tuesday: 5 images(, \d to review)?", first.message or "")
    assert second.name == "Unchanged"
    assert (project.root / "data/scores/tuesday/scores.csv").exists()
    assert task_states(first) == {"monday": "Completed", "tuesday": "Completed"}
    assert progress_of(first) == {"Files of monday that have their rows": 100, "Files of tuesday that have their rows": 100}


def test_one_batch_that_fails_does_not_keep_the_others_from_being_scored(project: Project) -> None:
    (project.root / "data/inbox/a-bad").mkdir()
    (project.root / "data/inbox/a-bad/x.png").write_bytes(b"bad")
    project.sample("data/inbox/b-good", 5)

    state = score_inbox(return_state=True)

    assert state.is_failed()
    assert "a-bad: " in (state.message or "")
    assert (project.root / "data/scores/a-bad/scores.csv").exists()
    assert (project.root / "data/scores/b-good/scores.csv").exists()


def test_any_name_of_a_batch_will_do(project: Project) -> None:
    for name in ("{1}", "{name}", "a b;c", "ü"):
        project.sample(f"data/inbox/{name}", 2)

    state = score_inbox(return_state=True)

    assert state.is_completed()
    assert len(list((project.root / "data/scores").glob("*/scores.csv"))) == 4


def test_a_batch_without_a_champion_fails_with_the_way_to_get_one(
    trained_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained_project.root)
    (tmp_path / "batch").mkdir()

    state = score_inbox(folder=tmp_path, return_state=True)

    assert state.is_failed()
    assert "no champion yet. Train and register a model" in (state.message or "")


def test_a_cancelled_stage_leaves_no_process_behind(project: Project) -> None:
    let_reshape_hang(project)
    lines = _repro("reshape", pulls=False)
    for line in lines:
        if line == "it hangs":
            break
    assert stages_left(project)

    with pytest.raises(KeyboardInterrupt):
        lines.throw(KeyboardInterrupt)

    assert stages_left(project) == []
    assert not (project.root / "data/arrays.npz").exists()


def test_a_batch_without_a_picture_yet_is_no_failure(project: Project) -> None:
    (project.root / "data/inbox/to-be-filled").mkdir()

    state = score_inbox(return_state=True)

    assert state.is_completed()
    assert state.name == "Incomplete"
    assert "data/inbox/to-be-filled: no images to score (0 other files" in (state.message or "")


def test_an_empty_inbox_is_no_failure(project: Project) -> None:
    assert score_inbox(return_state=True).name == "Empty"


def test_an_inbox_that_cannot_be_read_fails_with_its_reason(project: Project) -> None:
    state = score_inbox(folder=Path("params.yaml"), return_state=True)

    assert state.is_failed()
    assert state.message == "params.yaml: cannot be read: Not a directory. Make it readable and run again."


def test_what_has_no_row_is_named_and_makes_the_run_incomplete(project: Project) -> None:
    (project.root / "data/inbox/phone").mkdir()
    (project.root / "data/inbox/phone/a.svg").touch()
    (project.root / "data/inbox/loose.png").touch()
    project.sample("data/inbox/monday", 2)
    (project.root / "data/inbox/monday/b.psd").touch()
    too_deep(project.root / "data/inbox/monday")

    states = [score_inbox(return_state=True) for _ in range(2)]

    for state, scored in zip(states, ("monday: 2 images; ", "nothing new to score; "), strict=True):
        assert state.is_completed()
        assert state.name == "Incomplete"
        message = state.message or ""
        assert message.startswith(scored)
        assert "monday: folders that could not be read: deepdeep" in message
        assert "phone: data/inbox/phone: no images to score" in message
        assert "beside the batches in data/inbox, and not looked at: loose.png; " in message
        assert message.endswith("monday: pictures of a kind that is not read: b.psd (1 in all)")


def test_a_batch_whose_name_is_no_utf_8_is_scored(project: Project) -> None:
    project.sample("data/inbox/plain", 2)
    (project.root / "data/inbox/plain").rename(os.fsdecode(os.fsencode(project.root) + b"/data/inbox/caf\xe9"))
    project.sample(r"data/inbox/caf\xe9", 3)

    state = score_inbox(return_state=True)

    assert state.is_completed()
    assert state.message == r"caf\xe9: 3 images; caf\xe9: 2 images"
    assert task_states(state) == {r"caf\xe9": "Completed"}
    rows = json.loads(artifact("scores"))
    assert {row["batch"] for row in rows} == {r"caf\xe9"}
    assert all(row["report"].startswith("[report.html](file:///") for row in rows)


def test_two_batches_that_are_shown_alike_are_both_said_to_fail(project: Project) -> None:
    for name in (rb"caf\xe9", b"caf\xe9"):
        batch = Path(os.fsdecode(os.fsencode(project.root) + b"/data/inbox/" + name))
        batch.mkdir()
        (batch / "x.png").write_bytes(b"bad")

    state = score_inbox(return_state=True)

    assert state.is_failed()
    assert (state.message or "").count(r"caf\xe9: ") == 2
    assert name_of(state) == r"score-inbox/caf\xe9, caf\xe9 failed"


def test_a_batch_of_blank_pages_is_scored_and_makes_the_run_suspect(project: Project) -> None:
    project.sample("data/inbox/blank", 12)
    for path in (project.root / "data/inbox/blank").iterdir():
        path.write_bytes(cv2.imencode(".png", np.full((60, 60), 250, np.uint8))[1].tobytes())

    state = score_inbox(return_state=True)

    assert state.is_completed()
    assert state.name == "Suspect"
    assert "blank: 12 images, 12 to review; blank: MostlyBlank: 12 of 12 pictures are blank: " in (state.message or "")
    assert (project.root / "data/scores/blank/scores.csv").is_file()


def test_a_batch_that_has_drifted_says_so_beside_its_counts(project: Project) -> None:
    project.sample("data/inbox/large", 120)
    for path in (project.root / "data/inbox/large").iterdir():
        picture = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
        path.write_bytes(cv2.imencode(".png", cv2.resize(picture, None, fx=4, fy=4))[1].tobytes())

    state = score_inbox(return_state=True)

    assert state.name == "Completed"
    (row,) = json.loads(artifact("scores"))
    assert "side" in row["drift"].split(", ")
    summary: str = artifact("scoring-summary")
    assert "drift from the validation images of v1.0.0: " in summary
    assert re.search(r"^\| longest side, pixels \*\*drifted\*\* \| 1\.00 \| ", summary, re.MULTILINE)
    assert re.search(r"^By confidence, \d+\.\d% of the labels are expected to be right", summary, re.MULTILINE)


def test_a_run_says_how_many_rows_a_person_has_to_look_at(project: Project) -> None:
    project.set(score__maximum_error_share=0.5, score__minimum_confidence=1.0)
    project.sample("data/inbox/monday", 3)
    (project.root / "data/inbox/monday/broken.png").write_bytes(b"\x89PNG")

    state = score_inbox(return_state=True)

    assert (state.message or "").startswith("monday: 4 images, 3 to review, 1 unreadable")
    assert name_of(state) == "score-inbox/monday: 4 images, 3 to review, 1 unreadable"


def test_runs_are_called_after_what_they_did(project: Project) -> None:
    for name in ("monday", "tuesday"):
        project.sample(f"data/inbox/{name}", 2)

    first, second = score_inbox(return_state=True), score_inbox(return_state=True)
    training = train(return_state=True)

    assert [name_of(state) for state in (first, second)] == ["score-inbox/monday, tuesday: 4 images", "score-inbox/unchanged"]
    assert name_of(training) == "train/v1.0.0 unchanged"


def test_a_folder_of_a_batch_belongs_to_it_and_more_of_it_is_all_that_is_scored_again(project: Project) -> None:
    project.sample("data/inbox/monday/morning", 3)
    score_inbox(return_state=True)
    (project.root / "data/inbox/monday/morning/00002.png").unlink()
    project.sample("data/inbox/monday/evening", 2)

    state = score_inbox(return_state=True)

    assert state.message == "monday: 4 images"
    manifest = json.loads((project.root / "data/scores/monday/manifest.json").read_text())
    assert (manifest["reused"], manifest["scored"]) == (2, 2)
    assert sorted(path.name for path in (project.root / "data/inbox").rglob("*") if not path.name.endswith(".png")) == [
        ".gitkeep",
        "evening",
        "monday",
        "morning",
    ]


def test_a_batch_waits_for_its_ready_file_where_the_settings_say_so(project: Project) -> None:
    project.set(score__inbox_waits_for="ready")
    project.sample("data/inbox/monday", 2)
    (project.root / "data/inbox/empty").mkdir()

    early = score_inbox(return_state=True)
    (project.root / "data/inbox/monday/.ready").touch()
    late = score_inbox(return_state=True)

    waits = "{} waits for a file .ready in it"
    assert early.is_completed()
    assert (early.name, name_of(early)) == ("Waiting", "score-inbox/waiting")
    assert early.message == f"nothing new to score; {waits.format('empty')}; {waits.format('monday')}"
    assert late.message == f"monday: 2 images; {waits.format('empty')}"


def test_another_inbox_another_model_and_all_anew(project: Project, tmp_path: Path) -> None:
    project.sample(tmp_path / "elsewhere/monday", 2)

    states = [
        score_inbox(folder=tmp_path / "elsewhere", model="v1.0.0", fresh=fresh, return_state=True) for fresh in (False, True)
    ]
    unknown = score_inbox(folder=tmp_path / "elsewhere", model="v7.0.0", return_state=True)

    assert [state.message for state in states] == ["monday: 2 images"] * 2
    assert unknown.message == "v7.0.0: no such version of digit-cnn. Registered: v1.0.0. See `digits models`."


def test_settings_of_one_run_are_kept_by_an_experiment_and_not_written_down(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.sample("data/inbox/monday", 20)
    project.digits("score", "data/inbox/monday")
    project.set(register__replay__batches=1)
    before = {path: path.read_bytes() for path in map(project.root.joinpath, ("params.yaml", "dvc.lock"))}

    state = train(overrides={"train": {"epochs": 6}}, return_state=True)

    assert (state.name, name_of(state)) == ("Champion", "train/v1.1.0")
    assert task_states(state) == {
        **dict.fromkeys(["ingest", "validate", "reshape", "collect"], "Restored"),
        **dict.fromkeys(["train", "evaluate"], "Completed"),
        "register": "Champion",
    }
    assert_told(state, caplog)
    (experiment,) = project.dvc("exp", "list", "--name-only").stdout.split()
    assert (state.message or "").endswith(
        f"kept as the DVC experiment {experiment}: `dvc exp apply {experiment}` brings it here"
    )
    assert {path: path.read_bytes() for path in before} == before
    assert Path.cwd() == project.root
    assert project.git("status", "--porcelain").split() == ["M", "params.yaml"]
    assert "replay: data/inbox/monday with v1.0.0 and v1.1.0: " in (state.message or "")
    assert (project.root / "data/comparisons/v1.0.0-v1.1.0/changed.csv").exists()
    assert len(list((project.root / "data/inbox/monday").iterdir())) == 20
    assert project.git("worktree", "list").count("\n") == 1
    (page,) = (project.root / "reports").rglob("training.html")
    assert f"[the training report]({page.as_uri()})" in artifact("training-summary")
    assert f"({(page.parents[1] / 'data/validation/data-docs/index.html').as_uri()})" in artifact("training-summary")
    assert (page.parents[1] / "data/validation/data-docs/index.html").exists()
    shown = project.dvc("exp", "show", "--csv", "--only-changed").stdout
    assert experiment in shown
    project.dvc("exp", "apply", experiment)
    assert "epochs: 6" in (project.root / "params.yaml").read_text()
    assert project.digits("register").stdout == "digit-cnn v1.1.0 is this very model already; nothing was changed\n"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"train": {"epochs": 0}}, "greater than 0"),
        ({"train": {"epoch": 3}}, "Extra inputs are not permitted"),
        ({"register": {"mnist": {"minimum_accuracy": 0}}}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_be_stop_the_run_before_it_begins(project: Project, overrides: Any, words: str) -> None:
    with pytest.raises(ParameterTypeError, match=words):
        train(overrides=overrides)


def test_a_stage_that_does_not_end_in_time_is_stopped(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    let_reshape_hang(project)
    monkeypatch.setattr("flows.training.OPTIONS", {"reshape": {"timeout_seconds": 4}})

    state = train(return_state=True)

    assert (state.type.value, state.name, name_of(state)) == ("FAILED", "TimedOut", "train/reshape failed")
    assert "reshape: " in (state.message or "")
    assert "4" in (state.message or "")
    assert task_states(state)["reshape"] == "TimedOut"
    assert stages_left(project) == []


def test_people_see_the_gate_as_a_table_and_what_was_scored_with_links(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITS_PAGES_URL", "http://127.0.0.1:4201/")
    project.sample("data/inbox/m & <b>", 2)

    train(return_state=True)
    score_inbox(return_state=True)

    rows = json.loads(artifact("gate"))
    assert [row["outcome"] for row in rows] == ["passed"] * 5 + ["champion"]
    assert rows[-1]["value"] == "first"
    assert rows[0]["distance"] == pytest.approx(rows[0]["value"] - rows[0]["bound"])
    assert "http://127.0.0.1:4201/data/validation/data-docs/index.html)" in artifact("training-summary")
    summary = artifact("scoring-summary")
    assert "## m \\& \\<b\\>" in summary
    assert "[report.html](http://127.0.0.1:4201/data/scores/m%20%26%20%3Cb%3E/report.html)" in summary
    assert "[scores.csv](http://127.0.0.1:4201/data/scores/m%20%26%20%3Cb%3E/scores.csv)" in summary


def test_a_batch_that_takes_too_long_keeps_its_rows_and_the_next_run_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.set(score__shard_size=1)
    project.sample("data/inbox/large", 300)
    monkeypatch.setattr(executors, "FEW", 200)  # more are not for one process alone

    def hang(progress: run.Progress) -> None:
        while progress.done > 50:
            time.sleep(0.01)

    with monkeypatch.context() as soon:
        soon.setattr("flows.scoring.score_batch", score_batch.with_options(timeout_seconds=5))
        soon.setattr("flows.scoring._teller", lambda _: hang)
        early = score_inbox(return_state=True)
    late = score_inbox(return_state=True)

    assert (early.type.value, early.name, name_of(early)) == ("FAILED", "TimedOut", "score-inbox/large failed")
    assert (late.message or "").startswith("large: 300 images")
    manifest = json.loads((project.root / "data/scores/large/manifest.json").read_text())
    assert manifest["resumed"] > 0
    assert manifest["resumed"] + manifest["scored"] == 300
