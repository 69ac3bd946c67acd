"""A team's registry: two machines with nothing in common but their remotes, and all that can go wrong between them."""

import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline import console, exclusive, params, terminal
from pipeline.registry import registering
from pipeline.registry.remotes import tags, team
from pipeline.registry.remotes.team import Team
from tests.conftest import DIGITS, Project
from tests.remotes import Hub, another_model, in_folders, score, versions_of

pytestmark = pytest.mark.slow

STAGES = ("ingest", "validate", "reshape", "collect", "train", "evaluate")
PUBLISHED = "published: origin and team have it\n"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    (tmp_path / "hub").mkdir()
    return in_folders(tmp_path / "hub")


@pytest.fixture
def training(trained_project: Project, hub: Hub, tmp_path: Path) -> Project:
    """A machine that has trained, and registered nothing yet."""
    return hub.training_machine(trained_project, tmp_path / "training")


@pytest.fixture
def scoring(training: Project, hub: Hub, tmp_path: Path) -> Project:
    """Another machine, cloned when nothing was registered, with a batch of a few pictures."""
    machine = hub.machine(tmp_path / "scoring")
    training.sample(machine.root / "data/inbox/batch", 3)
    machine.set(score__remote_seconds=3)
    return machine


@pytest.fixture
def another(training: Project, hub: Hub, tmp_path: Path) -> Project:
    """A second machine that has trained, another model than the first."""
    machine = hub.machine(tmp_path / "another", home=training.home)
    shutil.copytree(training.root / ".dvc/cache", machine.root / ".dvc/cache")
    machine.dvc("checkout")
    another_model(machine, "another")
    return machine


@contextmanager
def away(*places: Path) -> Iterator[None]:
    """Take remotes away for the length of a block."""
    for place in places:
        place.rename(place.with_name(f"{place.name}-away"))
    yield
    for place in places:
        place.with_name(f"{place.name}-away").rename(place)


def test_what_one_machine_registers_another_scores_with_and_follows_back(training: Project, scoring: Project) -> None:
    registered = training.digits("register").stdout
    first = score(scoring)
    another_model(training, "another")
    training.digits("register")
    forward = training.digits("promote", "v1.1.0").stdout
    second = score(scoring)
    training.digits("promote", "v1.0.0", "--because", "a rollback")
    third = score(scoring)

    assert registered.endswith(PUBLISHED)
    assert forward.endswith(PUBLISHED)
    assert [one["model"] for one in (first, second, third)] == ["v1.0.0", "v1.1.0", "v1.0.0"]
    assert {one["model_remark"] for one in (first, second, third)} == {""}
    assert versions_of(scoring) == versions_of(training)


def test_without_a_dvc_remote_nothing_leaves_the_machine(training: Project, hub: Hub) -> None:
    training.dvc("remote", "default", "--unset")
    training.git("commit", "--quiet", "--all", "--message", "Leave the team")

    registered = training.digits("register").stdout
    shown = training.digits("remote").stdout

    assert "published" not in registered
    assert "published" not in training.digits("models").stdout
    assert shown.startswith("DVC has no default remote: nothing leaves this machine.")
    assert hub.published == {}
    assert not hub.objects.exists()


def test_of_two_registrations_at_once_the_second_is_judged_again_and_gets_the_next_version(
    training: Project, another: Project, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the second is an hour behind."""
    push, pushed = tags.push, list[str]()

    def while_the_other_registers(clone: Team, made: dict[str, str]) -> None:
        if not pushed:
            training.run(*DIGITS, "register")
        pushed.append(" ".join(made))
        push(clone, made)

    monkeypatch.setattr(tags, "push", while_the_other_registers)
    monkeypatch.setattr("pipeline.git.time.time", lambda: time.time_ns() // 10**9 - 3600)
    monkeypatch.chdir(another.root)
    for name, value in another.environment.items():
        monkeypatch.setenv(name, value)

    done = registering.register(params.load(Path("params.yaml")), terminal.say, console.progress)

    assert pushed == ["digit-cnn@v1.0.0 digit-cnn#champion#1", "digit-cnn@v1.1.0"]
    assert (done.version, done.is_champion) == ("v1.1.0", False)
    assert "v1.0.0 stays" in done.message or "not champion" in done.message
    assert set(hub.published) == {"digit-cnn@v1.0.0", "digit-cnn#champion#1", "digit-cnn@v1.1.0"}
    when = [
        int(another.git("for-each-ref", "--format=%(taggerdate:unix)", f"refs/tags/digit-cnn@{one}"))
        for one in ("v1.0.0", "v1.1.0")
    ]
    assert when[0] < when[1]
    training.digits("register")
    assert versions_of(training) == versions_of(another)


def test_what_could_not_be_published_stands_here_and_the_next_run_publishes_it(training: Project, hub: Hub) -> None:
    with away(hub.tags):
        registered = training.digits("register")
        shown = versions_of(training)

    assert "not published, and here alone, digit-cnn@v1.0.0, digit-cnn#champion#1: origin: fatal:" in registered.stdout
    assert [one["is_published"] for one in shown.values()] == [False]
    assert "│ no        │" in training.digits("models").stdout
    again = training.digits("register").stdout
    assert again.endswith(f"is this very model already; nothing was changed\n{PUBLISHED}")
    assert set(hub.published) == {"digit-cnn@v1.0.0", "digit-cnn#champion#1"}
    assert [one["is_published"] for one in versions_of(training).values()] == [True]


def test_a_version_that_others_published_first_is_renumbered_and_theirs_stays(
    training: Project, another: Project, hub: Hub
) -> None:
    with away(hub.tags):
        another.digits("register")
    training.digits("register")
    before = hub.published

    done = another.digits("register")

    assert "v1.0.0 is v1.1.0 from now on: it was not published yet, and origin has another v1.0.0." in done.stderr
    assert "v1.0.0 is no champion any more: origin has a promotion that this clone did not know of" in done.stderr
    assert done.stdout.endswith(f"digit-cnn v1.1.0 is this very model already; nothing was changed\n{PUBLISHED}")
    assert before.items() <= hub.published.items()
    assert set(hub.published) - set(before) == {"digit-cnn@v1.1.0"}
    assert [(one["version"], one["champion"] != []) for one in versions_of(another).values()] == [
        ("v1.0.0", True),
        ("v1.1.0", False),
    ]
    message = another.git("tag", "--list", "--format=%(contents)", "digit-cnn@v1.1.0")
    assert message.startswith("dataset: load_digits")
    assert json.loads(message.partition("Verdict: ")[2])["checks"]


def test_many_versions_go_three_tags_at_once_at_most(training: Project, hub: Hub) -> None:
    hook = hub.tags / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nwc -l >> counts\n")
    hook.chmod(0o755)
    with away(hub.tags):
        training.digits("register")
        another_model(training, "another")
        training.digits("register")
        for version in ("v1.1.0", "v1.0.0") * 2:
            training.digits("promote", version)

    training.digits("register")

    counts = [int(line) for line in (hub.tags / "counts").read_text().split()]
    assert max(counts) <= 3
    assert len(hub.published) == 7 == sum(counts)


def test_a_process_that_is_killed_between_bytes_and_tags_leaves_no_tag_and_the_next_goes_on(
    training: Project, hub: Hub, tmp_path: Path
) -> None:
    wrapper = tmp_path / "bin/git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\n[ "$1" = push ] && {{ kill -9 $PPID; exit 1; }}\nexec {shutil.which("git")} "$@"\n')
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}{os.pathsep}{training.environment['PATH']}"

    killed = training.run(*DIGITS, "register", check=False, PATH=path)

    assert killed.returncode == -9
    assert list((hub.objects / "files/md5").glob("*/*.dir"))
    assert (hub.published, training.git("tag")) == ({}, "")
    assert training.digits("register").stdout.endswith(PUBLISHED)


@pytest.mark.parametrize("what", ["tags", "objects", "both"])
def test_scoring_goes_on_with_the_last_champion_when_the_remotes_are_away_and_says_so_once(
    training: Project, scoring: Project, hub: Hub, what: str
) -> None:
    training.digits("register")
    assert score(scoring)["model"] == "v1.0.0"
    another_model(training, "another")
    training.digits("register")
    training.digits("promote", "v1.1.0")

    with away(*{"tags": [hub.tags], "objects": [hub.objects], "both": [hub.tags, hub.objects]}[what]):
        done = scoring.digits("score", "data/inbox/batch", "--fresh", "--json")

    manifest = json.loads(done.stdout)
    assert manifest["model"] == "v1.0.0"
    assert manifest["model_remark"].endswith("Scored with v1.0.0")
    assert done.stderr.count("warning:") == 1
    assert f"warning: {manifest['model_remark']}.\n" in done.stderr
    assert ("origin: fatal:" in done.stderr) == (what != "objects")
    assert score(scoring)["model"] == "v1.1.0"


def test_a_machine_without_a_champion_and_without_remotes_ends_in_one_line(
    training: Project, scoring: Project, hub: Hub
) -> None:
    with away(hub.tags):
        done = scoring.digits("score", "data/inbox/batch", check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: no champion yet.")
    assert "the team's registry is out of reach: origin: fatal:" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("fault", ["lost", "wrong bytes"])
def test_an_object_that_the_remote_lost_or_spoilt_is_refused_and_the_last_champion_goes_on(
    training: Project, scoring: Project, hub: Hub, fault: str
) -> None:
    training.digits("register")
    score(scoring)
    another_model(training, "another")
    training.digits("register")
    training.digits("promote", "v1.1.0")
    kept = hub.kept((training.root / "models/digit-cnn/model.json").read_bytes())
    content = kept.read_bytes()
    kept.chmod(0o644)
    if fault == "lost":
        kept.unlink()
    else:
        kept.write_bytes(b"x" * len(content))

    done = scoring.digits("score", "data/inbox/batch", "--fresh", "--json")

    assert json.loads(done.stdout)["model"] == "v1.0.0"
    words = {"lost": "is not there", "wrong bytes": "has other bytes than its name says: refused"}[fault]
    assert f"team: {kept} {words}" in done.stderr
    assert not (scoring.root / ".dvc/cache/files/md5" / kept.relative_to(hub.objects / "files/md5")).exists()
    kept.unlink(missing_ok=True)
    kept.write_bytes(content)
    assert score(scoring)["model"] == "v1.1.0"


def test_scoring_does_not_wait_for_a_registration_that_takes_long(training: Project, scoring: Project) -> None:
    training.digits("register")
    score(scoring)
    another_model(training, "another")
    training.digits("register")

    with exclusive.held(scoring.root / ".git/digit-cnn.lock", "busy"):
        manifest = score(scoring, "--fresh")

    assert manifest["model"] == "v1.0.0"
    assert "another command that changes the registry of digit-cnn has not ended" in str(manifest["model_remark"])


def test_tags_that_are_no_versions_harm_nobody(training: Project, scoring: Project) -> None:
    training.digits("register")
    for name in ("digit-cnn@latest", "digit-cnn#champion#x", "digit-cnn@v1.0.0.1"):
        training.git("tag", "--annotate", "--message", "theirs", name, "HEAD")
        training.git("push", "--quiet", "origin", name)
    training.git("tag", "digit-cnn@v7.0.0", "HEAD")
    training.git("push", "--quiet", "origin", "digit-cnn@v7.0.0")

    assert score(scoring)["model"] == "v1.0.0"
    assert training.digits("register").stdout.endswith(PUBLISHED)


def test_a_tag_that_somebody_moved_is_named_and_not_followed(training: Project, scoring: Project, hub: Hub) -> None:
    training.digits("register")
    score(scoring)
    before = scoring.git("for-each-ref", "refs/tags")
    training.git("tag", "--annotate", "--force", "--message", "moved", "digit-cnn#champion#1", "HEAD")
    training.git("push", "--quiet", "--force", "origin", "digit-cnn#champion#1")

    manifest = score(scoring, "--fresh")

    assert manifest["model"] == "v1.0.0"
    assert str(manifest["model_remark"]).startswith(
        "digit-cnn#champion#1 is another tag in origin than here: somebody moved it"
    )
    assert scoring.git("for-each-ref", "refs/tags") == before


@contextmanager
def hanging() -> Iterator[int]:
    """Listen on a port, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("what", ["tags", "objects"])
def test_a_remote_that_hangs_is_given_up(training: Project, scoring: Project, hub: Hub, what: str) -> None:
    training.digits("register")
    score(scoring)
    another_model(training, "another")
    training.digits("register")
    training.digits("promote", "v1.1.0")

    with hanging() as port:
        if what == "tags":
            scoring.git("remote", "set-url", "origin", f"git://127.0.0.1:{port}/hub.git")
        else:
            scoring.dvc("remote", "modify", "--local", "team", "url", f"ssh://127.0.0.1:{port}/objects")
        began = time.monotonic()
        manifest = score(scoring, "--fresh")
        took = time.monotonic() - began

    assert manifest["model"] == "v1.0.0"
    assert "no answer within 3 s" in str(manifest["model_remark"]) or "no answer within 2 s" in str(manifest["model_remark"])
    assert took < 30  # it would hang for half an hour


def test_a_remote_that_refuses_leaves_the_version_here_and_says_why(training: Project, hub: Hub) -> None:
    hook = hub.tags / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no tags today >&2\nexit 1\n")
    hook.chmod(0o755)

    done = training.digits("register")
    shown = training.digits("remote", check=False)

    assert "no tags today" in done.stdout
    assert "not published, and here alone, digit-cnn@v1.0.0, digit-cnn#champion#1" in done.stdout
    assert hub.published == {}
    assert shown.returncode == 1
    assert "  reading works\n  writing fails: " in shown.stdout
    assert "ask for the right to push to it" in shown.stdout


def test_a_password_is_never_asked_for_at_a_terminal(training: Project) -> None:
    """``script`` gives the command a terminal, at which Git would ask for a name."""
    with refusing() as port:
        training.git("remote", "set-url", "origin", f"http://127.0.0.1:{port}/hub.git")
        done = training.run("script", "-qec", f"{sys.executable} -m pipeline register", "/dev/null")

    assert "Username for '" not in done.stdout.replace("could not read Username for '", "")
    assert "origin: fatal: could not read Username" in " ".join(done.stdout.split())


@contextmanager
def refusing() -> Iterator[int]:
    """Serve HTTP that wants a name and a password."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_fresh_clone_takes_what_another_machine_trained_and_computes_nothing(
    training: Project, hub: Hub, tmp_path: Path
) -> None:
    """The branch knows nothing of the training: of it there is but the run cache, and what was pushed with it."""
    training.digits("register")
    clone = hub.machine(tmp_path / "clone")
    (clone.root / "dvc.lock").unlink()
    for folder in ("metrics", "plots"):
        shutil.rmtree(clone.root / folder, ignore_errors=True)
    clone.git("commit", "--quiet", "--all", "--message", "Forget the training")

    done = clone.run(sys.executable, "-m", "flows.training")

    assert "Unchanged: digit-cnn v1.0.0 is this very model already" in done.stdout
    assert done.stderr.count("Finished in state Restored") == len(STAGES)
    assert not [stage for stage in STAGES if f"{stage}: done" in done.stdout + done.stderr]
    assert (clone.root / "models/digit-cnn/model.keras").exists()
    assert (clone.root / "metrics/learning_curves.csv").exists()


def test_the_flow_says_in_its_state_and_log_that_the_remotes_are_away(training: Project, scoring: Project, hub: Hub) -> None:
    training.digits("register")
    score(scoring)
    (scoring.root / "data/inbox/batch/.ready").touch()
    shutil.rmtree(scoring.root / "data/scores")

    with away(hub.tags, hub.objects):
        done = scoring.run(sys.executable, "-m", "flows.scoring")

    words = "the team's registry is out of reach: origin: fatal:"
    assert done.stdout.startswith("Completed: batch: 3 images; the team's registry is out of reach: origin: fatal: ")
    assert len([line for line in done.stderr.splitlines() if "| WARNING |" in line and words in line]) == 1
    manifest = json.loads((scoring.root / "data/scores/batch/manifest.json").read_text())
    assert manifest["model_remark"].startswith(words)


def test_digits_remote_shows_what_works_and_what_is_published(training: Project, hub: Hub) -> None:
    training.digits("register")

    shown = training.digits("remote").stdout

    assert shown.splitlines() == [
        f"tags, in Git's origin: {hub.tags}",
        "  reading works",
        "  writing works",
        f"bytes, in DVC's team: {hub.objects}",
        "  reading works",
        "  writing works",
        "published: digit-cnn#champion#1, digit-cnn@v1.0.0",
        "not published: nothing",
    ]
    assert not list(hub.objects.glob("trial-*"))
    assert "trial" not in Project(hub.tags, hub.tags).git("for-each-ref")


def test_of_a_version_whose_bytes_are_lost_no_tag_is_published_and_others_are(training: Project, hub: Hub) -> None:
    with away(hub.tags):
        training.digits("register")
    card = (training.root / "models/digit-cnn/model.json").read_bytes()
    another_model(training, "another")
    (cached,) = (path for path in (training.root / ".dvc/cache").rglob("*") if path.is_file() and path.read_bytes() == card)
    cached.unlink()

    done = training.digits("register")

    assert (
        "warning: digit-cnn@v1.0.0 is not published: 2 files of its model are neither in DVC's cache nor in team."
        in done.stderr
    )
    assert set(hub.published) == {"digit-cnn@v1.1.0"}


def test_http_remotes_have_no_run_cache_and_it_is_said(training: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.registry.remotes import objects

    training.dvc("remote", "modify", "team", "url", "http://127.0.0.1:9/objects")
    monkeypatch.chdir(training.root)
    clone = team.here()
    assert clone

    assert objects.fetch_run_cache(clone) == "team keeps no run cache, as HTTP cannot"
