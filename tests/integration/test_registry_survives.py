"""The registry in unusual repositories: signed tags, worktrees, hooks, odd names, tags of others."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import console, params, terminal
from pipeline.errors import PipelineError
from pipeline.registry import contents, publishing, registering, versions
from pipeline.registry import project as dvc_project
from tests.conftest import Project

Copy = Callable[[Project], Project]


@pytest.fixture
def project(trained_project: Project, copy_of: Copy, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A trained project to work in."""
    return work_in(copy_of(trained_project), monkeypatch)


@pytest.fixture
def registered(registered_project: Project, copy_of: Copy, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a champion to work in."""
    return work_in(copy_of(registered_project), monkeypatch)


def work_in(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(project.root)
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    return project


def register() -> registering.Registration:
    return registering.register(params.load(Path("params.yaml")), terminal.say, console.progress)


def forget(project: Project) -> None:
    """Let the model in the workspace be one that is not registered, and v1.0.0 another: its tags stand on a commit before."""
    project.git("commit", "--quiet", "--allow-empty", "--message", "Another")
    card = project.root / "models/digit-cnn/model.json"
    content = json.loads(card.read_text())
    card.unlink()
    card.write_text(json.dumps(content | {"name": "another"}))
    project.dvc("commit", "--force", "train")
    project.dvc("commit", "--force", "evaluate")


def champion() -> str | None:
    return next((one.version for one in versions.registered() if one.is_champion), None)


def assert_dvc_finds_the_champion(project: Project, out: Path) -> None:
    """Let DVC alone fetch the champion: it must be the model that scores."""
    project.dvc("artifacts", "get", ".", "digit-cnn", "--stage", "champion", "--out", str(out))

    assert (out / "model.tflite").read_bytes() == contents.load("champion").content


def test_tags_are_signed_where_the_user_signs_tags(project: Project, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"tester@localhost {key.with_suffix('.pub').read_text()}")
    for name, value in {
        "tag.gpgSign": "true",
        "gpg.format": "ssh",
        "user.signingKey": str(key.with_suffix(".pub")),
        "gpg.ssh.allowedSignersFile": str(allowed),
    }.items():
        project.git("config", name, value)

    done = register()

    assert done.is_champion
    for tag in ("digit-cnn@v1.0.0", "digit-cnn#champion#1"):
        verified = project.run("git", "verify-tag", tag)
        assert 'Good "git" signature for tester@localhost' in verified.stderr
    assert versions.registered()[0].verdict
    assert versions.history()[0].how == "gate"
    assert_dvc_finds_the_champion(project, tmp_path / "model")


@pytest.mark.parametrize(
    ("program", "words"),
    [("ssh", "tag.gpgSign is set, and Git made no signature"), ("openpgp", "`git tag --annotate` failed: error: gpg")],
)
def test_a_signature_that_cannot_be_made_is_one_line_and_no_tag(project: Project, program: str, words: str) -> None:
    for name, value in {"tag.gpgSign": "true", "gpg.format": program, "user.signingKey": "nowhere.pub"}.items():
        project.git("config", name, value)
    project.git("config", "gpg.openpgp.program", "false")

    with pytest.raises(PipelineError) as raised:
        register()

    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert project.git("tag") == ""


def test_a_detached_head_stays_where_it_is(project: Project, tmp_path: Path) -> None:
    project.git("checkout", "--quiet", "--detach")
    before = project.git("rev-parse", "HEAD")

    assert register().is_champion

    assert project.git("rev-parse", "HEAD") == before
    assert project.git("rev-parse", "digit-cnn@v1.0.0^{commit}^") == before
    assert_dvc_finds_the_champion(project, tmp_path / "model")


def test_a_linked_worktree_registers_in_the_one_registry(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = Project(tmp_path / "linked", project.home)
    project.git("worktree", "add", "--quiet", str(linked.root), "-b", "other")
    shutil.copytree(project.root / ".dvc/cache", linked.root / ".dvc/cache")
    linked.dvc("checkout")
    work_in(linked, monkeypatch)

    assert register().version == "v1.0.0"

    assert_dvc_finds_the_champion(linked, tmp_path / "model")
    monkeypatch.chdir(project.root)
    assert champion() == "v1.0.0"
    assert "is this very model already" in register().message


def cloned(project: Project, folder: Path, *options: str) -> Project:
    """Clone a project, and copy DVC's cache, as a remote would have it."""
    clone = Project(folder / "clone", project.home)
    project.run("git", "clone", "--quiet", *options, project.root.as_uri(), str(clone.root))
    for name in ("user.name", "user.email"):
        clone.git("config", name, "tester@localhost")
    shutil.copytree(project.root / ".dvc/cache", clone.root / ".dvc/cache")
    return clone


def test_a_shallow_clone_registers_and_serves_where_no_version_is_elsewhere(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = cloned(project, tmp_path, "--depth", "1")
    clone.dvc("checkout")
    work_in(clone, monkeypatch)

    assert register().is_champion

    assert clone.git("rev-parse", "--is-shallow-repository") == "true\n"
    assert_dvc_finds_the_champion(clone, tmp_path / "model")


@pytest.mark.slow
@pytest.mark.parametrize("is_away", [False, True])
def test_a_clone_without_tags_never_makes_a_second_first_version(
    registered: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_away: bool
) -> None:
    clone = cloned(registered, tmp_path, "--no-tags")
    clone.dvc("checkout")
    work_in(clone, monkeypatch)
    if is_away:
        registered.root.rename(tmp_path / "away")

    with pytest.raises(PipelineError, match=r"`git fetch --tags` fetches them\.") as raised:
        register()

    assert ("could be another model elsewhere, and origin: fatal:" in str(raised.value)) == is_away
    assert clone.git("tag") == ""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("lacking", ["blob:none", "tree:0"])
def test_a_partial_clone_fetches_what_it_lacks(
    registered: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    registered.git("config", "uploadpack.allowFilter", "true")
    registered.edit("dvc.lock", "schema:", "# another\nschema:")
    registered.git("commit", "--quiet", "--all", "--message", "Another")
    clone = cloned(registered, tmp_path, f"--filter={lacking}")
    work_in(clone, monkeypatch)

    assert contents.answers(versions.find("champion"))
    assert contents.load("champion").version == "v1.0.0"
    assert dvc_project.free(dry=True) == ""


def test_a_partial_clone_without_its_remote_says_so_in_a_line(
    registered: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered.git("config", "uploadpack.allowFilter", "true")
    registered.edit("dvc.lock", "schema:", "# another\nschema:")
    registered.git("commit", "--quiet", "--all", "--message", "Another")
    clone = cloned(registered, tmp_path, "--filter=blob:none")
    registered.root.rename(tmp_path / "away")
    work_in(clone, monkeypatch)

    with pytest.raises(PipelineError, match=r"could not fetch [0-9a-f]+ from promisor remote"):
        contents.load("champion")


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (["--depth", "1"], "git fetch --tags --unshallow"),
        (["--no-tags"], "git fetch --tags"),
        (["--single-branch"], "git fetch --tags"),
    ],
)
def test_a_clone_without_the_tags_says_how_to_fetch_them(
    registered: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], command: str
) -> None:
    clone = cloned(registered, tmp_path, *options)
    work_in(clone, monkeypatch)
    words = f"this clone was made without the tags that are the registry: `{command}` fetches them."

    assert clone.digits("models").stdout == f"{words}\n"
    assert clone.digits("history").stdout == f"{words}\n"
    with pytest.raises(PipelineError, match=re.escape(words)):
        contents.load("champion")

    clone.git(*command.split()[1:], "--quiet")
    assert contents.load("champion").version == "v1.0.0"


def test_a_project_that_cannot_be_written_scores_elsewhere(registered: Project, tmp_path: Path) -> None:
    registered.sample("data/inbox/batch", 3)
    shutil.rmtree(registered.root / ".dvc/tmp")
    (registered.root / ".dvc/tmp").touch()  # whatever may write there, root too, cannot

    registered.digits("score", "data/inbox/batch", "--out", str(tmp_path / "out"))

    assert len((tmp_path / "out/scores.csv").read_text().splitlines()) == 4


def test_a_user_without_a_name_registers(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    assert project.digits("register").stdout.startswith("digit-cnn v1.0.0")


def test_a_tag_that_a_clock_made_too_early_is_warned_of(
    registered: Project, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(seconds: int) -> None:
        monkeypatch.setattr("pipeline.git.time.time", lambda: seconds)

    commit = registered.git("rev-parse", "digit-cnn@v1.0.0^{}").strip()
    at(1924000000)  # in 2030
    publishing.Publication(terminal.say).add(versions.assignment("v1.0.0", commit, versions.HAND, ""))
    assert capfd.readouterr().err == ""

    at(1800000000)
    publishing.Publication(terminal.say).add(versions.assignment("v1.0.0", commit, versions.HAND, ""))

    said = capfd.readouterr().err
    assert said.startswith("warning: the tag digit-cnn#champion#2 was made on 2030-12-20, by a clock that was ahead.")
    assert said.count("\n") == 1


def test_a_folder_with_spaces_and_letters_of_other_alphabets(
    trained_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path / "Prüfstelle № 7, зачёт", trained_project.home)
    shutil.copytree(trained_project.root, project.root, symlinks=True)
    project.git("config", "tag.gpgSign", "false")
    work_in(project, monkeypatch)

    assert register().is_champion

    assert publishing.promote("v1.0.0", "", terminal.say) == (False, "")
    assert_dvc_finds_the_champion(project, tmp_path / "model")


def test_tags_of_other_artifacts_are_neither_versions_nor_champions(project: Project) -> None:
    for name in ("letter-cnn@v7.0.0", "letter-cnn#champion#1", "digit-cnn-large@v8.0.0", "models=digit-cnn@v9.0.0", "v5.0.0"):
        project.git("tag", "--annotate", "--message", "theirs", name)

    done = register()

    assert (done.version, done.is_champion) == ("v1.0.0", True)
    assert [one.version for one in versions.registered()] == ["v1.0.0"]
    assert [one.version for one in versions.history()] == ["v1.0.0"]


def test_a_lightweight_tag_with_the_name_of_a_champion_is_none(registered: Project) -> None:
    forget(registered)
    registered.git("tag", "digit-cnn#champion#2", "HEAD")
    registered.git("tag", "digit-cnn@v1.1.0", "HEAD")

    done = register()

    assert done.version == "v1.2.0"
    assert champion() == "v1.0.0"
    assert publishing.promote("v1.2.0", "by hand", terminal.say) == (True, "")
    assert champion() == "v1.2.0"


@pytest.mark.parametrize(
    ("deleted", "left"),
    [("digit-cnn@v1.0.0", []), ("digit-cnn#champion#1", ["v1.0.0"])],
)
def test_where_a_tag_was_deleted_the_rest_stands_and_the_next_model_is_champion(
    registered: Project, deleted: str, left: list[str]
) -> None:
    registered.git("tag", "--delete", deleted)
    assert [one.version for one in versions.registered()] == left
    assert champion() is None
    assert versions.history() == []
    forget(registered)

    done = register()

    assert done.is_champion
    assert champion() == done.version
    assert versions.history()[-1].version == done.version


def test_packed_tags_are_read_and_added_to(registered: Project, tmp_path: Path) -> None:
    registered.git("pack-refs", "--all", "--prune")
    assert not list((registered.root / ".git/refs/tags").iterdir())
    forget(registered)

    done = register()
    publishing.promote(done.version, "", terminal.say)

    assert (done.version, champion()) == ("v1.1.0", "v1.1.0")
    assert_dvc_finds_the_champion(registered, tmp_path / "model")


def test_git_that_turns_lf_into_crlf_registers_the_bytes_that_dvc_hashed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = Project(tmp_path / "clone", project.home)
    project.run("git", "clone", "--quiet", "-c", "core.autocrlf=true", str(project.root), str(clone.root))
    for name in ("user.name", "user.email"):
        clone.git("config", name, "tester@localhost")
    shutil.copytree(project.root / ".dvc/cache", clone.root / ".dvc/cache")
    clone.dvc("checkout")
    work_in(clone, monkeypatch)

    register()

    kept = clone.git("show", "digit-cnn@v1.0.0:dvc.lock")
    assert "\r" not in kept
    assert kept == (project.root / "dvc.lock").read_text()
    assert clone.git("status", "--porcelain") == ""
    assert_dvc_finds_the_champion(clone, tmp_path / "model")


def test_hooks_for_a_persons_commits_have_no_say(project: Project) -> None:
    for hook in ("pre-commit", "commit-msg", "prepare-commit-msg", "post-checkout", "post-commit"):
        install(project, hook)

    assert register().is_champion


def test_a_hook_that_refuses_tags_is_heard_and_nothing_is_tagged(project: Project) -> None:
    install(project, "reference-transaction")

    with pytest.raises(PipelineError) as raised:
        register()

    assert "the hook says no" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert project.git("for-each-ref", "refs/tags") == ""


def test_who_looks_sees_both_tags_of_a_command_or_none(project: Project, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    install(project, "reference-transaction", f"[ $1 = committed ] || exit 0; (git tag | tr '\\n' ' '; echo) >> '{seen}'")

    register()

    assert set(seen.read_text().splitlines()) <= {"", "digit-cnn#champion#1 digit-cnn@v1.0.0 "}
    assert "digit-cnn@v1.0.0" in seen.read_text()


def install(project: Project, hook: str, does: str = "echo the hook says no >&2; exit 1") -> None:
    place = project.root / ".git/hooks" / hook
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{does}\n")
    place.chmod(0o755)


def test_a_version_whose_bytes_are_nowhere_is_listed_and_compared_and_says_how_to_fetch_them(registered: Project) -> None:
    shutil.rmtree(registered.root / ".dvc/cache")

    shown = registered.digits("models", "v1.0.0")
    compared = registered.digits("compare", "v1.0.0", "v1.0.0")
    with pytest.raises(PipelineError) as raised:
        contents.load("v1.0.0")

    assert "accuracy 0." in shown.stdout
    assert "`dvc fetch --all-tags metrics/predictions.csv`" in compared.stdout
    assert "`dvc fetch --all-tags models/digit-cnn`" in str(raised.value)


def test_another_project_fetches_the_champion_from_where_tags_and_bytes_were_pushed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, elsewhere = tmp_path / "hub.git", Project(tmp_path / "elsewhere", project.home)
    elsewhere.root.mkdir()
    project.git("init", "--quiet", "--bare", "--initial-branch=main", str(hub))
    project.dvc("remote", "add", "--default", "store", str(tmp_path / "store"))
    register()
    content = contents.load("champion").content
    project.git("push", "--quiet", str(hub), "main", "--tags")
    project.dvc("push", "--all-tags")
    shutil.rmtree(project.root / ".dvc/cache")
    monkeypatch.chdir(elsewhere.root)

    elsewhere.dvc("artifacts", "get", str(hub), "digit-cnn", "--stage", "champion", "--out", "champion")
    elsewhere.dvc("artifacts", "get", str(hub), "digit-cnn", "--rev", "v1.0.0", "--out", "first")

    for name in ("champion", "first"):
        assert (elsewhere.root / name / "model.tflite").read_bytes() == content
