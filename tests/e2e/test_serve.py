"""``make serve`` as a person has it: one command, a folder dropped into the inbox, and scores without another hand moved."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import psutil
import pytest

from flows.processes import holding
from pipeline import layout
from tests.conftest import CHROMIUM, DIGITS, Project, copy_project
from tests.processes import left_of, started_by

pytestmark = pytest.mark.slow


@dataclass
class Served:
    """A project that is served: where it prints to, its process, and what its webhook was told."""

    project: Project
    log: Path
    told: list[dict[str, Any]] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        """Start it as `make serve` in a terminal, and wait until it says that it is there."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["make", "-o", ".venv/ready", "serve"],
                cwd=self.project.root,
                env={**self.project.environment, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_for(lambda: re.search(r"^UI at .*\n", self.printed, re.MULTILINE))

    @property
    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @property
    def ui(self) -> str:
        (address,) = re.findall(r"^UI at (http://127\.0\.0\.1:\d+)$", self.printed, re.MULTILINE)
        return str(address)

    @property
    def password(self) -> str:
        return (self.project.root / ".prefect/password").read_text().strip()

    @property
    def access(self) -> dict[str, str]:
        """What leads a command to the server."""
        return {"PREFECT_API_URL": f"{self.ui}/api", "PREFECT_API_AUTH_STRING": self.password}

    @property
    def auth(self) -> httpx.BasicAuth:
        return httpx.BasicAuth(*self.password.split(":"))

    def ask(self, path: str, method: str = "POST", **content: Any) -> Any:
        """Ask the API, as often as its database is busy, which the server says after it has waited a minute."""
        for _ in range(60):
            answer = httpx.request(method, f"{self.ui}/api/{path}", json=content, timeout=90, auth=self.auth)
            if answer.status_code != 503:
                break
            time.sleep(1)
        return answer.raise_for_status().json() if answer.content else None

    def deployment(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(f"deployments/name/{name}/{name}", "GET")
        return found

    def pause(self, name: str) -> None:
        """Pause the schedule of a deployment, as the switch in the UI does."""
        found = self.deployment(name)
        self.ask(f"deployments/{found['id']}/schedules/{found['schedules'][0]['id']}", "PATCH", active=False)

    def switch_on(self, automation: str) -> None:
        (found,) = self.ask("automations/filter", automations={"name": {"any_": [automation]}})
        self.ask(f"automations/{found['id']}", "PATCH", enabled=True)

    def runs(self, name: str, *states: str) -> list[dict[str, Any]]:
        """List the runs of a deployment that are in states of some types."""
        which = {"state": {"type": {"any_": list(states)}}}
        found: list[dict[str, Any]] = self.ask("flow_runs/filter", flow_runs=which, deployments={"name": {"any_": [name]}})
        return found

    def part(self, word: str) -> psutil.Process:
        """Find the process that has a word in its command line, of those that hold the project's lock."""
        (found,) = (one for one in holding(self.project.root / ".prefect/lock") if word in one.info["cmdline"])
        return found

    def wait_for(self, what: Callable[[], Any], seconds: int = 150) -> Any:
        for _ in range(seconds * 5):
            assert self.process is not None
            assert self.process.poll() is None, f"it ended:\n{self.printed}"
            if found := what():
                return found
            time.sleep(0.2)
        raise TimeoutError(self.printed)

    def interrupt(self) -> tuple[int, set[int]]:
        """Press Ctrl-C; give what it exits with, and what is left of what it started."""
        assert self.process is not None
        started = started_by(self.process.pid)
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(120), left_of(self.process.pid, started)


@contextmanager
def receiver(told: list[dict[str, Any]]) -> Iterator[str]:
    """Take what notifications send, and give the address that they are to be sent to."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()


@pytest.fixture(scope="module")
def served(registered_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A project whose inbox is scored every twenty seconds, on a machine where something else has Prefect's usual port."""
    base = tmp_path_factory.mktemp("served")
    project = copy_project(registered_project, base)
    with (project.root / ".git/info/exclude").open("a") as exclude:
        exclude.write("/.venv\n")  # as a link it is not the folder that .gitignore names
    (project.root / ".venv").symlink_to(sys.prefix)
    project.edit("prefect.yaml", 'cron: "*/5 * * * *"\n        timezone: UTC', "interval: 20")
    project.set(score__quiet_seconds=2)
    served = Served(project, base / "log")
    with socket.socket() as taken, receiver(served.told) as address:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 4200))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        nowhere = {
            "PREFECT_API_URL": "http://127.0.0.1:9/api",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite:////no/such.db",
        }
        served.start(DIGITS_WEBHOOK_URL=address, **nowhere)  # what leads to somebody's own Prefect is left alone
        try:
            yield served
        finally:
            if served.process and served.process.poll() is None:
                served.interrupt()


def signed_in(served: Served, browser: Any) -> Any:
    """Open the UI as a person does, who is asked for the password once."""
    page = browser.new_page()
    page.goto(served.ui)
    page.locator("input[type=password]").fill(served.password)
    page.get_by_role("button", name="Login").click()
    page.wait_for_url(lambda address: "login" not in address)
    return page


def test_it_says_where_the_ui_is_and_what_comes_next(served: Served) -> None:
    assert not served.ui.endswith(":4200")
    assert re.search(r"^score-inbox: next at \w+ [\d-]+ [\d:]+ \w+, now$", served.printed, re.MULTILINE)
    assert re.search(r"^train: next at Mon [\d-]+ [\d:]+ \w+, in \d+ \w+$", served.printed, re.MULTILINE)
    assert "\nchampion v1.0.0\n" in served.printed
    assert re.search(
        r"\ninbox data/inbox: .*\npassword in .prefect/password\nCtrl-C stops all of it\nUI at .*\n", served.printed
    )
    assert "digits-notify: on\n" in served.printed
    for what in ("suspect", "labelled"):
        assert f"digits-train-when-{what}: off, until it is switched on in the UI\n" in served.printed


@pytest.mark.skipif(not CHROMIUM, reason="needs a browser: `apt-get install chromium`")
def test_the_ui_shows_the_deployments_and_their_parameters_as_a_form_on_whatever_port(served: Served, browser: Any) -> None:
    from playwright.sync_api import expect

    page = signed_in(served, browser)
    page.goto(f"{served.ui}/deployments")
    for name in ("train", "score-inbox"):
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible(timeout=60_000)
    for name, fields in {"train": ["Architecture", "Epochs", "Seed"], "score-inbox": ["folder", "model", "fresh"]}.items():
        page.goto(f"{served.ui}/deployments/deployment/{served.deployment(name)['id']}/run")
        for one in fields:
            expect(page.get_by_text(f"{one} (Optional)", exact=True).first).to_be_visible(timeout=60_000)
    page.close()


# What a page can send: with its own words and a browser's headers, with those that need no leave, and with what the browser
# keeps for the address; to run a command, to read a secret, to see what there is.
ATTACK = """async ([api, deployment, command]) => {
    const told = [], run = {job_variables: {command}, state: {type: "SCHEDULED"}}, all = {include_secrets: true};
    const calls = [["deployments/" + deployment + "/create_flow_run", run], ["block_documents/filter", all],
                   ["deployments/filter", {}]];
    for (const [path, body] of calls)
        for (const type of ["application/json", "text/plain"])
            for (const credentials of ["omit", "include"])
                for (const mode of ["cors", "no-cors"])
                    try {
                        const options = {method: "POST", headers: {"content-type": type}, credentials, mode};
                        const found = await fetch(api + "/" + path, {...options, body: JSON.stringify(body)});
                        const text = await found.text();
                        if (text) told.push(found.status + text);
                    } catch {}
    return told;
}"""


@pytest.mark.skipif(not CHROMIUM, reason="needs a browser: `apt-get install chromium`")
def test_a_page_from_elsewhere_runs_nothing_and_is_told_nothing(served: Served, browser: Any, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>elsewhere</title>")
    serve = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    deployment = served.deployment("score-inbox")["id"]
    page = signed_in(served, browser)
    with HTTPServer(("127.0.0.1", 0), serve) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{elsewhere.server_port}/index.html")
        told = page.evaluate(ATTACK, [f"{served.ui}/api", deployment, f"touch {tmp_path}/pwned"])
        elsewhere.shutdown()
    page.close()

    assert told == []
    assert_nobody_started_anything(served, tmp_path / "pwned")


def test_nor_does_one_that_is_looked_up_as_this_machine_or_knows_the_password(served: Served, tmp_path: Path) -> None:
    deployment = served.deployment("score-inbox")["id"]
    body = {"job_variables": {"command": f"touch {tmp_path}/pwned", "env": {"A": "B"}, "working_dir": "/"}}
    address = f"{served.ui}/api/deployments/{deployment}/create_flow_run"
    rebound = {"Host": "elsewhere.example", "Origin": "http://elsewhere.example"}
    assert httpx.post(address, json=body, headers=rebound, auth=served.auth).status_code == 400
    assert httpx.post(address, json=body, headers={"Origin": "http://elsewhere.example"}).status_code == 401
    refused = httpx.post(address, json=body, auth=served.auth)
    assert refused.status_code == 422
    assert "'command'" in refused.text
    assert_nobody_started_anything(served, tmp_path / "pwned")


def assert_nobody_started_anything(served: Served, pwned: Path) -> None:
    """Wait until the worker has looked again, and see that it found nothing but what is scheduled."""
    completed = len(served.runs("score-inbox", "COMPLETED"))
    served.wait_for(lambda: len(served.runs("score-inbox", "COMPLETED")) > completed)
    runs = served.runs("score-inbox", "SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    assert all(run["auto_scheduled"] for run in runs)
    assert not pwned.exists()


def test_deployments_say_when_how_often_and_what_of(served: Served) -> None:
    found = {name: served.deployment(name) for name in ("train", "score-inbox")}

    schedule = found["train"]["schedules"][0]["schedule"]
    assert (schedule["cron"], schedule["timezone"]) == ("0 3 * * 1", "UTC")
    for one in found.values():
        assert one["global_concurrency_limit"]["limit"] == 1
        assert "digits" in one["tags"]
        assert one["description"]
        assert all(schema["description"] for schema in one["parameter_openapi_schema"]["properties"].values())


def test_a_folder_in_the_inbox_is_scored_without_another_hand_moved_and_all_its_links_open(served: Served) -> None:
    project = served.project
    project.sample("data/inbox/monday-forms", 5)

    served.wait_for((project.root / "data/scores/monday-forms/report.html").exists)
    run = served.wait_for(lambda: [one for one in served.runs("score-inbox", "COMPLETED") if "monday" in one["name"]])[0]

    assert (project.root / "data/scores/monday-forms/scores.csv").read_text().count("\n") == 6
    assert run["name"].startswith("score-inbox/monday-forms: 5 images")
    artifacts = served.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    assert {one["type"] for one in artifacts} == {"progress", "table", "markdown"}
    (summary,) = (one["data"] for one in artifacts if one["key"] == "scoring-summary")
    links = dict(re.findall(r"\[([^]]+)\]\((http[^)]+)\)", summary))
    answers = {name: httpx.get(address, auth=served.auth) for name, address in links.items()}
    assert "<!doctype html>" in answers["report.html"].text
    assert answers["scores.csv"].text == (project.root / "data/scores/monday-forms/scores.csv").read_text()
    assert answers["scores.csv"].headers["content-type"] == "text/csv; charset=utf-8"
    scan = links["report.html"].replace("data/scores/monday-forms/report.html", "data/inbox/monday-forms/00000.png")
    assert httpx.get(scan, auth=served.auth).headers["content-security-policy"] == "sandbox"
    pages = scan.split("/data/")[0]
    for hidden in ("params.yaml", "data/scores/%2e%2e/%2e%2e/params.yaml", ".git/config", ".prefect/prefect.db"):
        assert httpx.get(f"{pages}/{hidden}", auth=served.auth).status_code == 404
    assert httpx.get(links["scores.csv"], headers={"Host": "elsewhere.example"}, auth=served.auth).status_code == 400
    for auth in (None, ("digits", "digits")):
        assert httpx.get(links["scores.csv"], auth=auth).status_code == 401


def test_what_it_writes_is_for_the_owner_alone(served: Served) -> None:
    home = served.project.root / ".prefect"

    assert {path for path in (home, *home.rglob("*")) if path.stat().st_mode & 0o077} == set()
    assert re.fullmatch(r"digits:[\w-]{43}\n", (home / "password").read_text())
    (served.project.root / "mine").touch()
    mode = (served.project.root / "mine").stat().st_mode
    assert (served.project.root / "data/scores/monday-forms/scores.csv").stat().st_mode == mode  # others may read these


@pytest.mark.parametrize("state", ["Failed", "Crashed", "TimedOut", "Refused"])
def test_a_run_that_ends_badly_is_told_to_the_webhook(served: Served, state: str) -> None:
    kind = {"Crashed": "CRASHED", "Refused": "COMPLETED"}.get(state, "FAILED")
    message = f'It "ended" as {state}.\nSee <why> & where.'
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2100-01-01T00:00:00Z"}}
    of = served.deployment("score-inbox")["id"]
    run = served.ask(f"deployments/{of}/create_flow_run", state=later, name=f"a run/{state}")

    served.ask(f"flow_runs/{run['id']}/set_state", state={"type": kind, "name": state, "message": message}, force=True)

    told = served.wait_for(lambda: [one for one in served.told if one["run"] == f"a run/{state}"], 60)
    assert [(one["state"], one["message"]) for one in told] == [(state, message)]
    assert told[0]["text"] == f"a run/{state}: {state}: {message}"
    assert told[0]["url"].startswith(served.ui)


def test_deploying_again_doubles_nothing_and_leaves_what_people_switched(served: Served) -> None:
    served.switch_on("digits-train-when-suspect")
    served.pause("train")

    def run(*command: str) -> str:
        return served.project.run(sys.executable, "-m", *command, check=True, **served.access).stdout

    again = run("flows.deploy").splitlines()

    assert [line for line in again if "score-inbox" not in line] == [
        "train: paused",
        "digits-notify: on",
        "digits-skip: on",
        "digits-train-when-suspect: on",
        "digits-train-when-labelled: off, until it is switched on in the UI",
    ]
    assert (len(served.ask("automations/filter")), len(served.ask("deployments/filter"))) == (4, 2)
    file = served.project.home / "automations.yaml"
    file.write_text(run("flows.automations").replace("digits-", "mine-"))
    run("prefect", "automation", "create", "--from-file", str(file))
    names = ["mine-notify", "mine-skip", "mine-train-when-suspect", "mine-train-when-labelled"]
    mine = served.ask("automations/filter", automations={"name": {"any_": names}})
    assert len(mine) == 4
    for one in mine:
        served.ask(f"automations/{one['id']}", "DELETE")


def test_a_deployment_that_cannot_be_made_leaves_paused_what_was(served: Served) -> None:
    served.project.edit("prefect.yaml", "scoring.py:score_inbox", "nothing.py:score_inbox")

    done = served.project.run(sys.executable, "-m", "flows.deploy", check=False, **served.access)

    served.project.edit("prefect.yaml", "nothing.py:score_inbox", "scoring.py:score_inbox")
    assert done.returncode == 1
    assert [one["active"] for one in served.deployment("train")["schedules"]] == [False]


@pytest.mark.parametrize(
    ("file", "text", "address", "words"),
    [
        ("automations.yaml", "automations: [", "", r"automations\.yaml: no list of automations: .*"),
        ("automations.yaml", "automations: [{name: x, actions: []}]", "", r"automations\.yaml: x: .*Field required.*"),
        (
            "automations.yaml",
            "",
            "hooks.example",
            "DIGITS_WEBHOOK_URL: not an address\\. Set it to one that begins with https://.*",
        ),
        ("prefect.yaml", "deployments: [{name: train, entrypoint: flows/nothing.py:train}]", "", r"prefect\.yaml: .*nothing.*"),
    ],
)
def test_what_prefect_does_not_take_is_said_in_one_line(served: Served, file: str, text: str, address: str, words: str) -> None:
    kept = (served.project.root / file).read_text()
    (served.project.root / file).write_text(text or kept)
    told = {"DIGITS_WEBHOOK_URL": address} if address else {}

    done = served.project.run(sys.executable, "-m", "flows.deploy", check=False, **(served.access | told))

    (served.project.root / file).write_text(kept)
    assert done.returncode == 1
    assert re.fullmatch(f"error: {words}\n", done.stderr)


def test_batches_that_drifted_or_are_suspect_start_a_training_once_a_day_where_that_is_switched_on(served: Served) -> None:
    def drop(name: str, count: int, change: Callable[[np.ndarray], np.ndarray]) -> None:
        served.project.sample(f"data/inbox/{name}", count)
        for path in (served.project.root / f"data/inbox/{name}").iterdir():
            picture = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)
            path.write_bytes(cv2.imencode(".png", change(picture))[1].tobytes())
        served.wait_for(lambda: [one for one in served.runs("score-inbox", "COMPLETED") if name in one["name"]])

    served.switch_on("digits-train-when-suspect")
    drop("large", 120, lambda picture: cv2.resize(picture, None, fx=4, fy=4))
    served.wait_for(lambda: served.runs("train", "COMPLETED"))
    drop("blank", 12, lambda picture: np.full_like(picture, 250))

    time.sleep(5)
    runs = served.runs("train", "SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "CANCELLED")
    assert [run["state"]["name"] for run in runs if not run["auto_scheduled"]] == ["Unchanged"]


def test_a_run_that_may_not_start_beside_another_is_skipped_and_not_cancelled(served: Served) -> None:
    deployment = served.deployment("train")["id"]
    said = served.project.run("prefect", "deployment", "run", "train/train", check=True, **served.access).stdout
    made = re.findall(r"UUID: ([0-9a-f-]{36})", said)
    made.append(served.ask(f"deployments/{deployment}/create_flow_run", state={"type": "SCHEDULED"})["id"])

    served.wait_for(lambda: len([run for run in served.runs("train", "COMPLETED") if run["id"] in made]) == 2)

    (skipped,) = (run for run in served.runs("train", "COMPLETED") if run["id"] in made and run["state"]["name"] == "Skipped")
    assert skipped["state"]["message"] == "the run before was not done; the next one takes what there is"
    for one in made:
        served.ask(f"flow_runs/{one}", "DELETE")


def test_labelled_scans_start_a_training_on_them_where_that_is_switched_on(served: Served) -> None:
    served.project.write_scans(served.project.home / "scans", 60)
    served.switch_on("digits-train-when-labelled")

    served.project.run(*DIGITS, "collect", str(served.project.home / "scans"), "--as", "mine")

    def is_tested_on_them() -> bool:
        with suppress(FileNotFoundError):  # while the stage runs
            return "own_accuracy" in (served.project.root / layout.METRICS).read_text()
        return False

    served.wait_for(is_tested_on_them)
    served.wait_for(lambda: not served.runs("train", "PENDING", "RUNNING"))
    assert "labelled scans were added: mine" in served.printed


def test_a_second_one_says_that_the_first_runs(served: Served) -> None:
    second = served.project.run(sys.executable, "-m", "flows.serve", check=False)

    assert second.returncode == 1
    serve = served.part("flows.serve").pid
    assert second.stderr == f"error: .prefect: `make serve` runs here already: `kill {serve}` ends it.\n"


def train_long(served: Served, browser: Any) -> None:
    """Start a training of many epochs, by the form of the UI where there is a browser, and wait for the first of them."""
    train = served.deployment("train")["id"]
    if browser:
        from playwright.sync_api import TimeoutError, expect  # noqa: A004 - its own

        page = signed_in(served, browser)
        page.set_default_timeout(60_000)
        page.goto(f"{served.ui}/deployments/deployment/{train}/run")
        page.locator("input[type=number]").first.fill("5000")
        expect(page.get_by_role("button", name="Submit")).to_be_enabled(timeout=60_000)
        for _ in range(6):  # as often as the database is busy, which a person sees and tries again
            page.get_by_role("button", name="Submit").click()
            with suppress(TimeoutError):
                page.wait_for_url("**?tab=Runs", timeout=20_000)
                break
        page.close()
    else:
        served.ask(f"deployments/{train}/create_flow_run", parameters={"overrides": {"train": {"epochs": 5000}}})
    served.wait_for(lambda: "epoch 1 of 5000" in served.printed)


def test_ctrl_c_stops_all_of_it_and_a_restart_goes_on(served: Served, browser: Any) -> None:
    address = served.ui
    served.pause("train")
    served.switch_on("digits-train-when-suspect")
    train_long(served, browser)

    code, left = served.interrupt()

    assert left == set()
    assert "\nstopping\n" in served.printed
    # The training, and the inbox where its twenty seconds are over.
    assert re.search("^waiting for (1 run|2 runs) to end, 40 s at most$", served.printed, re.MULTILINE)
    assert code == -signal.SIGINT  # as make ends
    assert "epochs: 2 " in (served.project.root / "params.yaml").read_text()

    served.start()

    assert served.ui == address
    assert "train: paused" in served.printed
    assert "digits-train-when-suspect: on" in served.printed
    (stopped,) = served.runs("train", "CRASHED", "RUNNING", "PENDING", "CANCELLING")
    assert stopped["state"]["message"] == "Execution was aborted by a termination signal."
    assert len(served.runs("score-inbox", "SCHEDULED")) > 1
    served.project.sample("data/inbox/tuesday", 2)
    served.wait_for((served.project.root / "data/scores/tuesday/scores.csv").exists)


def test_where_a_part_of_it_is_killed_the_rest_ends_too_and_the_next_start_mends_what_is_left(
    served: Served, browser: Any
) -> None:
    assert served.process
    train_long(served, browser)
    started = started_by(served.process.pid)

    served.part("worker").kill()

    assert served.process.wait(120) != 0
    assert "\nerror: the worker ended with -9. See what it said above, then start again.\n" in served.printed
    assert left_of(served.process.pid, started) == set()
    served.start()
    assert served.runs("train", "RUNNING", "PENDING", "CANCELLING") == []
    assert len(served.runs("train", "CRASHED")) == 2


def test_where_all_of_it_is_killed_the_next_says_what_ends_the_rest_and_it_does(served: Served) -> None:
    assert served.process
    train_long(served, None)
    runs = served.part("worker").children(recursive=True)
    os.kill(served.part("flows.serve").pid, signal.SIGKILL)
    served.process.wait(20)

    second = served.project.run(sys.executable, "-m", "flows.serve", check=False)

    said = re.fullmatch(r"error: \.prefect: `make serve` was killed .* End them with `(kill -9 [\d ]+)`, .*\n", second.stderr)
    assert said
    assert int(said[1].split()[2]) == served.part("worker").pid
    assert {one.pid for one in runs if one.is_running()} < {int(one) for one in said[1].split()[2:]}
    subprocess.run(said[1].split(), check=True)
    served.start()
    assert served.runs("train", "RUNNING", "PENDING", "CANCELLING") == []
