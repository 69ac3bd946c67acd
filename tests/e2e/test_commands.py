"""The commands of the README and of docs/, run in the order of each page: they print what the page shows."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import layout
from pipeline.datasets import raw
from pipeline.digits.network.slices import SLICES
from tests import sshd
from tests.conftest import ROOT, Project, copy_project
from tests.remotes import another_model

pytestmark = pytest.mark.slow

PAGES = {page.relative_to(ROOT).as_posix(): page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What is run by a test of its own, as it needs another machine, a person, or a service of the system.
ELSEWHERE = {
    "README.md": {"make demo": "tests/e2e/test_demo.py", "make test | tail -1": "the command that runs this"},
    "docs/operations.md": {"*": "tests/e2e/test_serve.py; systemd is not in every container"},
    "docs/registry.md": {"digits gc": "tests/integration/test_registry.py, with a cache that has what nothing names"},
    "docs/review.md": {
        "digits certify invoices --error 0.01 --sure 0.95": "tests/integration/test_review_page.py: a person keys"
    },
}
# On the small data set, and in a folder of the test's.
INSTEAD = {
    r"^make ": "make -o .venv/ready ",
    r"^pip install .*|^cd .*": "true",
    r"train\.epochs=3": "train.epochs=10",
    r"https://example\.com/digit-pipeline\.git": ".",
}
SERVES = ("make -o .venv/ready serve", "digits review ")
MASKS = {
    r"\x1b\[[\d;]*m": "",
    r"https?://[\w.:/-]+": "URL",
    r"\bload_digits\b": "mnist",
    rf"\b({'|'.join(SLICES)})\b": "SLICE",
    r"((?:not )?champion: ).*": r"\1...",
    r"(rows change).*": r"\1 ...",
    r", \d[\d,]* (?:review|unreadable|to review)\b": "",
    r"(experiment\(s\): ).*": r"\1NAME",
    r"\[\w+-\w+\]": "[NAME]",
    r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b": "DAY",
    r"UTC, now\b": "UTC, in TIME",
    r"\bin [\d.]+ (?:second|minute|hour|day|s)s?\b": "in TIME",
    r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,}\b": "#",
    r"(?<=\| )-(?= +\|)": "#",
    r"-?\d[\d,.:-]*\d|\d": "#",
    r"[━─┏┓┗┛┡┩└┘┳┻╇┴┬┼╋-]{2,}": "─",
    r"[ \t]+": " ",
}


def commands_of(page: str) -> list[tuple[str, list[str]]]:
    """Give the commands of a page, each with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall(PAGES[page].read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def masked(text: str) -> list[str]:
    """Put signs for what differs between runs, processors and data sets; equal lines that follow each other become one."""
    for what, instead in MASKS.items():
        text = re.sub(what, instead, text)
    return [line for line, _ in groupby(one.strip() for one in text.rstrip().splitlines())]


def pattern(shown: list[str]) -> str:
    """Give the regular expression of what is shown: ``...`` alone on a line stands for any lines."""
    lines = [r"(?:.*\n)*" if line == "..." else f"{re.escape(line)}\n" for line in masked("\n".join(shown))]
    return "".join(lines)


def run(project: Project, command: str, shown: list[str]) -> str:
    """Run a command of a page, and give what it prints: that which serves until the last line that is shown, then Ctrl-C.

    One of which the page shows nothing must succeed; of the others what they print says it.
    """
    for what, instead in INSTEAD.items():
        command = re.sub(what, instead, command)
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=project.root,
        env=project.environment | {"NO_COLOR": "1", "GIT_SSH_COMMAND": sshd.ssh_of(project.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    if not command.startswith(SERVES):
        printed, _ = process.communicate(timeout=600)
        assert shown or process.returncode == 0, f"{command}\n{printed}"
        return printed
    lines: list[str] = []
    last, end = masked(shown[-1]), time.monotonic() + 120
    while (not lines or masked(lines[-1]) != last) and time.monotonic() < end:
        lines.append(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal
    process.communicate(timeout=120)
    return "".join(lines)


def compare(command: str, printed: str, shown: list[str]) -> None:
    found = "\n".join(masked(printed)) + "\n" * bool(printed)
    assert not shown or re.fullmatch(pattern(shown), found), f"{command}\n{printed}\nis not what is shown:\n{shown}"


def follow(project: Project, page: str) -> None:
    """Run the commands of a page, and compare what each prints with what the page shows."""
    for command, shown in commands_of(page):
        if command not in ELSEWHERE.get(page, {}):
            compare(command, run(project, command, shown), shown)


@pytest.fixture(scope="module")
def fresh(fresh_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project on a small data set, trained as the demo is, in which no model beats the champion by more than luck."""
    project = copy_project(fresh_project, tmp_path_factory.mktemp("pages"))
    (project.root / ".venv").symlink_to(sys.prefix)
    with (project.root / ".git/info/exclude").open("a") as exclude:
        exclude.write("/.venv\n")
    project.git("config", "user.name", "Ada")
    project.set(
        train__architecture="compact",
        train__compact__batch_size=64,
        train__epochs=12,
        register__load_digits__minimum_accuracy=0.8,
        register__load_digits__minimum_recall=0.5,
        register__load_digits__minimum_slice_accuracy=0.83,
        register__load_digits__maximum_calibration_error=0.2,
        register__significance=1e-9,
    )
    project.git("commit", "--quiet", "--all", "--message", "Be small")
    return project


def test_every_page_with_commands_is_followed_or_has_a_test_of_its_own() -> None:
    followed = {"README.md", "docs/tour.md", "docs/registry.md", "docs/own.md", "docs/review.md", "docs/team.md"}
    whole = {page for page, commands in ELSEWHERE.items() if "*" in commands}

    assert {page for page in PAGES if commands_of(page)} == followed | whole
    for page in followed & ELSEWHERE.keys():
        assert ELSEWHERE[page].keys() <= {command for command, _ in commands_of(page)}


@pytest.fixture(scope="module")
def after_readme(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """A project in which all commands of the README were run, and a copy, whose pictures are new to the store of a batch."""
    project = copy_project(fresh, tmp_path_factory.mktemp("readme"))
    follow(project, "README.md")
    project.git("commit", "--quiet", "--all", "--message", "Train")
    return project, copy_project(project, tmp_path_factory.mktemp("copy"))


def test_the_readme_and_the_tour_that_goes_on_from_it(after_readme: tuple[Project, Project]) -> None:
    project, _ = after_readme

    follow(project, "docs/tour.md")


def test_the_page_of_models(after_readme: tuple[Project, Project]) -> None:
    _, project = after_readme
    project.git("tag", "--delete", *project.git("tag").split())

    follow(project, "docs/registry.md")


def test_the_page_of_own_scans(fresh: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(fresh)
    project.set(train__architecture="plain", train__epochs=6, register__load_digits__minimum_slice_accuracy=0.1)
    project.dvc("repro", "reshape")
    data = raw.read(project.root / layout.RAW)
    for number, (image, label) in enumerate(zip(data.train_images[:1000], data.train_labels, strict=False)):
        folder = project.root / f"scans/{label if number % 100 else 9 - label}"
        folder.mkdir(parents=True, exist_ok=True)
        page = np.full((44, 40), 240, np.uint8)
        page[8:36, 6:34] -= np.minimum(image, 230)
        cv2.imwrite(str(folder / f"scan-{number:04}.png"), page)

    follow(project, "docs/own.md")


def test_the_page_of_reviews(registered_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/invoices", 20)
    project.digits("score", "data/inbox/invoices")

    follow(project, "docs/review.md")


def test_the_page_of_a_team(trained_project: Project, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    (hub / "digits-objects").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", hub / "digits.git"], check=True)
    training = copy_project(trained_project, tmp_path / "training")
    training.git("remote", "add", "origin", "nowhere")
    scoring = Project(tmp_path / "scoring/digit-pipeline", tmp_path / "scoring/home")
    with sshd.serving(tmp_path / "sshd") as server:
        for machine in (training, scoring):
            server.let_in(machine.home)
        is_on = training
        for command, shown in commands_of("docs/team.md"):
            if command.startswith("git clone"):
                is_on = scoring
            if command.startswith("digits promote"):
                is_on = training
            if "on the scoring machine" in command or "--fresh" in command:
                is_on = scoring
            if "--fresh" in command:
                server.stop()
            if "a trial" in command:
                another_model(training, "another")
                training.digits("register", GIT_SSH_COMMAND=sshd.ssh_of(training.home))
            at = replace(is_on, root=is_on.root if is_on.root.exists() else is_on.root.parent)
            printed = run(at, command.replace("ssh://hub.example/srv", server.address(hub)), shown)
            compare(command, printed.replace(server.address(hub), "ssh://hub.example/srv"), shown)
            if command.startswith("git clone"):
                training.sample(scoring.root / "data/inbox/monday", 200)


def test_the_questions_that_the_page_of_scoring_asks(
    registered_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 30)
    project.digits("score", "data/inbox/batch")
    asked = re.findall('^sqlite3 scores.db "(.*)"$', PAGES["docs/scoring.md"].read_text(encoding="utf-8"), re.MULTILINE)

    with closing(sqlite3.connect(project.root / "data/scores/batch/scores.db")) as store:
        labels, nearly, twins = (store.execute(question).fetchall() for question in asked)

    counts = json.loads((project.root / "data/scores/batch/manifest.json").read_text())["statuses"]
    assert sum(count for _, count, _ in labels) == counts["ok"]
    assert all(name.endswith(".png") and 0 <= three <= 10_000 and 0 <= eight <= 10_000 for name, three, eight in nearly)
    assert all(count > 1 for count, _ in twins)
