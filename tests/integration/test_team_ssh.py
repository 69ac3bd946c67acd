"""A team whose remotes are on a real OpenSSH server, and in a real S3 server."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import s3, sshd
from tests.conftest import Project
from tests.remotes import Hub, another_model, score, versions_of
from tests.sshd import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with sshd.serving(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def hub(server: Server, tmp_path: Path) -> Hub:
    """A hub of which Git and DVC know by SSH alone."""
    tags, objects = tmp_path / "hub/digits.git", tmp_path / "hub/objects"
    tags.parent.mkdir()
    return Hub(tags, objects, server.address(tags), server.address(objects))


@pytest.fixture
def training(trained_project: Project, hub: Hub, server: Server, tmp_path: Path) -> Project:
    # A server lets in ten sessions for each connection by default.
    machine = hub.training_machine(trained_project, tmp_path / "training", max_sessions="8")
    server.let_in(machine.home)
    sshd.use(machine)
    return machine


@pytest.fixture
def scoring(training: Project, hub: Hub, server: Server, tmp_path: Path) -> Project:
    home = tmp_path / "scoring/home"
    server.let_in(home)
    machine = hub.machine(tmp_path / "scoring", home=home, ssh=sshd.ssh_of(home))
    training.sample(machine.root / "data/inbox/batch", 3)
    return machine


def test_two_machines_share_a_registry_by_ssh_alone(training: Project, scoring: Project, hub: Hub) -> None:
    registered = training.digits("register").stdout
    first = score(scoring, "--fresh")
    another_model(training, "another")
    training.digits("register")
    training.digits("promote", "v1.1.0")
    second = score(scoring, "--fresh")
    training.digits("promote", "v1.0.0", "--because", "a rollback")

    assert registered.endswith("published: origin and team have it\n")
    assert [one["model"] for one in (first, second, score(scoring, "--fresh"))] == ["v1.0.0", "v1.1.0", "v1.0.0"]
    assert versions_of(scoring) == versions_of(training)
    shown = scoring.digits("remote").stdout
    assert shown.count("works") == 4
    assert f"bytes, in DVC's team: {hub.objects_address}" in shown
    elsewhere = Project(training.home / "elsewhere", training.home)
    elsewhere.root.mkdir()
    elsewhere.dvc(
        *("artifacts", "get", str(hub.tags), "digit-cnn", "--stage", "champion"),
    )
    assert (elsewhere.root / "digit-cnn/model.tflite").exists()
    for name in ("model.json", "model.keras"):
        kept = hub.kept((training.root / "models/digit-cnn" / name).read_bytes())
        kept.chmod(0o644)
        kept.write_bytes(b"x" * kept.stat().st_size)
    shutil.rmtree(scoring.root / ".dvc/cache")
    spoilt = scoring.digits("score", "data/inbox/batch", "--fresh", "--model", "v1.1.0", check=False)
    assert "team: ssh://127.0.0.1" in spoilt.stderr
    assert "has other bytes than its name says: refused" in spoilt.stderr
    begun = scoring.run(sys.executable, "-m", "pipeline.registry.champion", "model.keras", check=False)
    assert begun.returncode == 1
    assert "has other bytes than its name says: refused" in begun.stderr
    assert not (scoring.root / "model.keras").exists()


def test_a_key_that_the_server_does_not_know_leaves_the_version_here(training: Project, server: Server, hub: Hub) -> None:
    """Nor does DVC wait for somebody to key a password, where it is told to ask for one."""
    (server.place / "authorized").write_text("")
    for name in ("ask_password", "ask_passphrase"):
        training.dvc("remote", "modify", "--local", "team", name, "true")

    registered = training.digits("register").stdout
    shown = training.digits("remote", check=False)

    assert "not published, and here alone, digit-cnn@v1.0.0, digit-cnn#champion#1: origin: " in registered
    assert "Permission denied (publickey)" in registered
    assert hub.published == {}
    assert shown.returncode == 1
    assert "what mends it: `ssh-add FILE`, with the key that it knows" in shown.stdout
    assert "what mends it: `dvc remote modify --local team keyfile FILE`, or `ssh-add FILE`" in shown.stdout
    assert shown.stderr == "error: a remote does not work: what mends it stands above.\n"


def test_a_host_whose_key_changed_gets_nothing_and_scoring_goes_on(
    training: Project, scoring: Project, server: Server, hub: Hub
) -> None:
    training.digits("register")
    score(scoring, "--fresh")
    server.stop()
    server.change_key()
    server.start()
    another_model(training, "another")
    before = sorted(hub.objects.rglob("*"))

    registered = training.digits("register").stdout
    manifest = score(scoring, "--fresh")
    shown = scoring.digits("remote", check=False).stdout

    assert "Host key verification failed" in registered
    assert sorted(hub.objects.rglob("*")) == before
    assert manifest["model"] == "v1.0.0"
    assert "Host key verification failed" in str(manifest["model_remark"])
    assert shown.count("what mends it: `ssh-keygen -R HOST`") == 2
    assert "Host key is not trusted" in shown


def test_a_full_remote_gets_no_tag_and_is_whole_once_there_is_room(training: Project, server: Server, hub: Hub) -> None:
    server.stop()
    server.start(most_bytes=100_000)

    registered = training.digits("register").stdout

    assert "not published, and here alone, digit-cnn@v1.0.0, digit-cnn#champion#1: team: " in registered
    assert hub.published == {}
    server.stop()
    server.start()
    assert training.digits("register").stdout.endswith("published: origin and team have it\n")
    model = (training.root / "models/digit-cnn/model.tflite").read_bytes()
    assert hub.kept(model).exists()


def test_two_machines_share_a_registry_by_s3_and_no_secret_is_written_anywhere(
    trained_project: Project, tmp_path: Path
) -> None:
    hub = Hub(tmp_path / "hub.git", tmp_path / "none", str(tmp_path / "hub.git"), "s3://scans/registry")
    secret = "planted-" + "x7Qp" * 6
    with s3.serving() as server:
        server.empty()
        training = hub.training_machine(trained_project, tmp_path / "training", endpointurl=server.address)
        scoring = hub.machine(tmp_path / "scoring")
        training.sample(scoring.root / "data/inbox/batch", 3)
        given: dict[str, Any] = {**server.environment, "AWS_SECRET_ACCESS_KEY": secret, "PREFECT_API_KEY": secret}
        said = [training.digits("register", **given)]
        said.append(scoring.digits("score", "data/inbox/batch", "--json", **given))
        (scoring.root / "data/inbox/batch/.ready").touch()
        flow = scoring.run(sys.executable, "-m", "flows.scoring", **given)
        said += [flow, training.digits("remote", **given)]
        training.git("remote", "set-url", "origin", f"http://somebody:{secret}@127.0.0.1:9/hub.git")
        another_model(training, "another")
        said += [training.digits("register", **given), training.digits("remote", check=False, **given)]
        training.dvc("remote", "add", "--local", "--default", "other", f"http://somebody:{secret}@127.0.0.1:9/objects")
        said.append(training.digits("remote", check=False, **given))

    assert said[0].stdout.endswith("published: origin and team have it\n")
    assert json.loads(said[1].stdout)["model"] == "v1.0.0"
    assert "http://127.0.0.1:9/hub.git" in said[4].stdout
    assert "bytes, in DVC's other: http://127.0.0.1:9/objects" in said[6].stdout
    for one in said:
        assert secret not in one.stdout + one.stderr
    files = (path for folder in (training, scoring) for place in (folder.root, folder.home) for path in place.rglob("*"))
    found = [path for path in files if path.is_file() and secret.encode() in path.read_bytes()]
    assert sorted(found) == [training.root / ".dvc/config.local", training.root / ".git/config"]  # where the user put it
