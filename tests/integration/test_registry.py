"""The registry on real Git and DVC."""

import csv
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo

from pipeline import terminal
from pipeline.datasets import dataset
from pipeline.digits.network import metrics
from pipeline.digits.network.model import Classifier, probabilities
from pipeline.digits.network.second_look import look_again
from pipeline.digits.pictures.normalising import normalise
from pipeline.registry import contents, publishing
from pipeline.registry import versions as of_registry
from pipeline.scoring.row import Rules
from pipeline.stages import evaluate
from tests import in_process
from tests.conftest import Project, copy_project
from tests.scored import score_files

Copy = Callable[[Project], Project]


def tags(project: Project) -> list[str]:
    return project.git("tag").split()


def test_the_first_model_becomes_version_1_and_champion(registered_project: Project) -> None:
    shown = registered_project.digits("models").stdout

    assert tags(registered_project) == ["digit-cnn#champion#1", "digit-cnn@v1.0.0"]
    assert "v1.0.0" in shown
    assert "champion" in shown
    assert "load_digits" in shown


def test_the_annotation_tells_data_set_bounds_and_verdict(registered_project: Project) -> None:
    annotation = registered_project.git("tag", "--list", "--format=%(contents)", "digit-cnn@v1.0.0")

    assert "dataset: load_digits" in annotation
    assert "accuracy 0." in annotation
    assert ", at least 0.5000: passed with 0." in annotation
    assert "champion: there was no champion" in annotation


def test_dvc_alone_fetches_a_champion_that_scores(registered_project: Project, tmp_path: Path) -> None:
    registered_project.dvc("artifacts", "get", ".", "digit-cnn", "--stage", "champion", "--out", str(tmp_path / "model"))

    content = (tmp_path / "model/model.tflite").read_bytes()
    assert content == (registered_project.root / "models/digit-cnn/model.tflite").read_bytes()
    data = dataset.read(registered_project.root / "data/arrays.npz")
    classifier, temperature = evaluate.load(tmp_path / "model")
    logits = look_again(classifier, data.test_images, classifier.logits(data.test_images), temperature)
    metrics = json.loads((registered_project.root / "metrics/evaluation.json").read_text())
    assert (logits.argmax(axis=1) == data.test_labels).mean() == pytest.approx(metrics["accuracy"], abs=1e-6)


def test_registering_leaves_branch_index_and_files_alone(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    (project.root / "staged.txt").write_text("staged")
    project.git("add", "staged.txt")
    (project.root / "README.md").write_text("changed, not staged")
    (project.root / "private.txt").write_text("not tracked")
    compiled = project.root / "pipeline/quality/__pycache__/checks.pyc"
    compiled.parent.mkdir(exist_ok=True)
    compiled.touch()
    before = [project.git(*command) for command in (["status", "--porcelain"], ["rev-parse", "HEAD"], ["diff", "--cached"])]

    project.digits("register")

    after = [project.git(*command) for command in (["status", "--porcelain"], ["rev-parse", "HEAD"], ["diff", "--cached"])]
    assert after == before
    kept = project.git("ls-tree", "-r", "--name-only", "digit-cnn@v1.0.0").split()
    assert "dvc.lock" in kept
    assert "metrics/evaluation.json" in kept
    assert "pipeline/quality/data_docs.css" in kept
    assert "private.txt" not in kept
    assert not [path for path in kept if "__pycache__" in path]
    assert project.git("show", "digit-cnn@v1.0.0:README.md") == "changed, not staged"


def test_results_that_git_does_not_track_are_in_the_snapshot(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    project.git("rm", "--quiet", "-r", "--cached", "metrics", "plots", "dvc.lock")
    project.git("commit", "--quiet", "--message", "Track no results")

    project.digits("register")

    kept = project.git("ls-tree", "-r", "--name-only", "digit-cnn@v1.0.0").split()
    assert {"dvc.lock", "metrics/evaluation.json", "plots/confusion.csv"} <= set(kept)


def test_the_same_model_twice_is_said_and_changes_nothing(registered_project: Project, copy_of: Copy) -> None:
    project = copy_of(registered_project)

    done = project.digits("register")

    assert "v1.0.0 is this very model already" in done.stdout
    assert tags(project) == tags(registered_project)


@pytest.fixture(scope="module")
def better_version(two_models: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project with a second version that is better, and what registering it printed. Not to be changed."""
    project = copy_project(two_models, tmp_path_factory.mktemp("better"))
    project.git("tag", "--delete", "digit-cnn@v1.1.0", "digit-cnn#champion#2")
    return project, project.digits("register").stdout


@pytest.fixture(scope="module")
def second_version(
    better_version: tuple[Project, str], trained_project: Project, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, str]:
    """A project with a second version that is not better, and what registering it printed. Not to be changed."""
    project = copy_project(better_version[0], tmp_path_factory.mktemp("second"))
    project.git("tag", "--delete", *tags(project))
    project.digits("register")
    for results in ("models", "metrics", "plots"):
        shutil.rmtree(project.root / results)
        shutil.copytree(trained_project.root / results, project.root / results)
    for file in ("dvc.lock", "params.yaml"):
        shutil.copy2(trained_project.root / file, project.root / file)
    return project, project.digits("register").stdout


def test_a_model_that_does_not_beat_the_champion_is_registered_and_not_promoted(second_version: tuple[Project, str]) -> None:
    project, printed = second_version

    assert "digit-cnn v1.1.0" in printed
    assert "not champion: " in printed
    assert tags(project) == ["digit-cnn#champion#1", "digit-cnn@v1.0.0", "digit-cnn@v1.1.0"]


def test_a_better_model_is_promoted_and_rolled_back_and_dvc_follows(
    better_version: tuple[Project, str], registered_project: Project, copy_of: Copy, tmp_path: Path
) -> None:
    project, promoted = copy_of(better_version[0]), better_version[1]
    old = registered_project.git("show", "digit-cnn@v1.0.0:dvc.lock")

    rolled_back = project.digits("promote", "v1.0.0")
    project.dvc("artifacts", "get", ".", "digit-cnn", "--stage", "champion", "--out", str(tmp_path / "model"))

    assert "digit-cnn v1.1.0" in promoted
    assert "\nchampion: better: of 360 test images" in promoted
    assert "v1.0.0 is now the champion" in rolled_back.stdout
    assert tags(project) == [*(f"digit-cnn#champion#{number}" for number in (1, 2, 3)), "digit-cnn@v1.0.0", "digit-cnn@v1.1.0"]
    assert project.git("show", "digit-cnn@v1.0.0:dvc.lock") == old
    first = (registered_project.root / "models/digit-cnn/model.tflite").read_bytes()
    assert (tmp_path / "model/model.tflite").read_bytes() == first


def test_a_dozen_promotions_in_a_second_leave_the_last_one_champion(
    second_version: tuple[Project, str], copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(second_version[0])
    monkeypatch.chdir(project.root)
    for turn in range(12):
        publishing.promote(f"v1.{1 - turn % 2}.0", "", terminal.say)

    version = next(one.version for one in of_registry.registered() if one.is_champion)
    with Repo(".") as repo:
        commit = repo.artifacts.get_rev("digit-cnn", stage="champion")

    assert version == "v1.0.0"
    assert commit == project.git("rev-parse", "digit-cnn@v1.0.0^{commit}").strip()


def test_promoting_the_champion_or_the_unknown_changes_nothing(registered_project: Project, copy_of: Copy) -> None:
    project = copy_of(registered_project)

    again = project.digits("promote", "v1.0.0")
    unknown = project.digits("promote", "v9.0.0", check=False)

    assert "already the champion" in again.stdout
    assert unknown.returncode == 1
    assert unknown.stderr == "error: v9.0.0: no such version of digit-cnn. Registered: v1.0.0. See `digits models`.\n"
    assert tags(project) == tags(registered_project)


def test_a_model_below_a_bound_is_refused_with_the_bound_and_the_distance(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    project.set(register__load_digits__minimum_accuracy=1.0)
    accuracy = json.loads((project.root / "metrics/evaluation.json").read_text())["accuracy"]

    done = project.digits("register", check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: not registered: accuracy ")
    assert f", at least 1.0000: missed by {1 - accuracy:.4f}. Train a better model" in done.stderr
    for bound in ("accuracy", "smallest recall", "calibration error", "worst slice (", "bytes of model.tflite"):
        assert f"\n{bound}" in done.stdout
    assert tags(project) == []


def test_code_edited_after_training_is_not_credited_with_the_old_bytes(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    with (project.root / "pipeline/digits/network/networks.py").open("a") as code:
        code.write("\nEDITED = True\n")

    done = project.digits("register", check=False)

    assert done.returncode == 1
    assert "`dvc status` names train" in done.stderr
    assert "dvc repro" in done.stderr
    assert tags(project) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda project: shutil.rmtree(project.root / ".git"), "not a Git repository"),
        (lambda project: project.git("update-ref", "-d", "HEAD"), "no commit yet"),
        (lambda project: project.git("config", "user.name", ""), "Git does not know who you are"),
    ],
    ids=["outside of Git", "without a commit", "without an identity"],
)
@pytest.mark.parametrize("command", [["register"], ["promote", "v1.0.0"]])
def test_where_nothing_can_be_tagged_one_clear_line_says_why(
    registered_project: Project, copy_of: Copy, spoil: Callable[[Project], object], words: str, command: list[str]
) -> None:
    project = copy_of(registered_project)
    spoil(project)

    done = project.digits(*command, check=False)

    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_models_can_be_listed_without_an_identity(registered_project: Project, copy_of: Copy) -> None:
    project = copy_of(registered_project)
    project.git("config", "user.name", "")

    assert "v1.0.0" in project.digits("models").stdout


@pytest.mark.parametrize("file", ["model.tflite", "model.json"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_damaged_model_is_refused(registered_project: Project, copy_of: Copy, file: str, is_known: bool) -> None:
    project = copy_of(registered_project)
    if is_known:
        project.sample("data/inbox/before", 5)
        project.digits("score", "data/inbox/before")
        shutil.rmtree(project.root / "data/scores")
    project.sample("data/inbox/batch", 5)
    content = (project.root / "models/digit-cnn" / file).read_bytes()
    (cached,) = (path for path in (project.root / ".dvc/cache").rglob("*") if path.is_file() and path.read_bytes() == content)
    cached.chmod(0o644)
    cached.write_bytes(content[:-1] + b"\0" if content[-1:] != b"\0" else content[:-1] + b"\1")

    done = project.digits("score", "data/inbox/batch", check=False)

    assert done.returncode == 1
    assert "its dvc.lock says" in done.stderr
    assert not (project.root / "data/scores").exists()


@pytest.mark.parametrize("change", ["none", "a tag", "half of it", "what it says", "another version", "another place"])
def test_what_dvc_found_is_kept_until_a_tag_changes(
    registered_project: Project, copy_of: Copy, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    project = copy_of(registered_project)
    monkeypatch.chdir(project.root)
    model = contents.load("champion")
    kept = project.root / ".dvc/tmp/digit-cnn-champion.json"
    if change == "a tag":
        project.git("tag", "--annotate", "digit-cnn@v7.0.0", "--message", "another")
    elif change == "half of it":
        kept.write_text(kept.read_text()[:100])
    elif change == "another version":
        kept.write_text(kept.read_text().replace("v1.0.0", "v9.0.0"))
    elif change == "another place":
        kept.write_text(kept.read_text().replace("/cache/", "/cash/"))
    elif change == "what it says":
        kept.write_text(kept.read_text().replace('"state"', '"other"'))
    fetched: list[str] = []
    fetch = contents._fetch
    monkeypatch.setattr(contents, "_fetch", lambda *asked: fetched.append(asked[1]) or fetch(*asked))  # type: ignore[func-returns-value]

    assert contents.load("champion") == model
    assert fetched == ([] if change == "none" else ["champion"])
    assert project.git("status", "--porcelain") == ""


def test_the_cache_is_freed_of_what_nothing_names_and_of_no_registered_model(
    registered_project: Project, copy_of: Copy
) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 5)
    (project.root / "dvc.lock").unlink()  # now only the tag names the champion
    project.git("commit", "--quiet", "--all", "--message", "Forget")
    content = b"nobody's"
    junk = project.root / ".dvc/cache/files/md5" / contents.md5(content)[:2] / contents.md5(content)[2:]
    junk.parent.mkdir(exist_ok=True)
    junk.write_bytes(content)

    dry = project.digits("gc").stdout
    assert junk.exists()
    done = project.digits("gc", "--force").stdout

    assert dry == "1 file, 0.0 MB of DVC's cache are named by no tag, branch or experiment: `digits gc --force` removes them\n"
    assert done == "removed 1 file, 0.0 MB\n"
    assert not junk.exists()
    assert project.digits("gc").stdout == "DVC's cache holds nothing that nothing names.\n"
    shutil.rmtree(project.root / ".dvc/tmp")
    assert "5 images" in project.digits("score", "data/inbox/batch").stdout


def test_after_dvc_gc_scoring_says_at_once_what_brings_the_champion_back(registered_project: Project, copy_of: Copy) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 5)
    project.digits("score", "data/inbox/batch")
    (project.root / "dvc.lock").unlink()
    project.dvc("gc", "--workspace", "--force")

    remembering = project.digits("score", "data/inbox/batch", check=False)
    shutil.rmtree(project.root / ".dvc/tmp")
    forgetting = project.digits("score", "data/inbox/batch", check=False)

    for done in (remembering, forgetting):
        assert done.returncode == 1
        assert done.stderr.startswith("error: digit-cnn v1.0.0: models/digit-cnn/model.tflite and ")
        assert "Fetch them with `dvc fetch --all-tags models/digit-cnn`" in done.stderr
        assert done.stderr.endswith("where no remote has them, `digits models v1.0.0` shows how to make it again.\n")
        assert done.stderr.count("\n") == 1
    assert project.digits("gc").stderr == ""  # of what is missing already it says nothing


def test_confidence_has_the_temperature_that_is_stored_with_the_model(
    registered_project: Project, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 5)
    monkeypatch.chdir(project.root)
    card = json.loads(Path("models/digit-cnn/model.json").read_text())
    batch = b"data/inbox/batch", [b"00000.png"]

    model = contents.load("champion")
    rows = [
        score_files(
            *batch,
            Classifier(model.content),
            model.version,
            Rules(10**6, 1000, 1, 200, temperature=temperature, minimum_confidence=0.5, maximum_seconds=20),
        )[0]
        for temperature in (1.0, model.temperature * 10)
    ]

    assert model.temperature == card["temperature"]
    assert rows[0].label == rows[1].label
    assert float(rows[0].confidence) > float(rows[1].confidence) > float(rows[1].second_confidence) > 0


@pytest.mark.slow
def test_a_model_of_the_old_form_scores_as_registered_at_temperature_1(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    project.sample("data/inbox/batch", 30)
    data = dataset.read(project.root / "data/arrays.npz")
    fields = np.stack([normalise(255 - image).field for image in data.test_images[:30, ..., 0]])[..., np.newaxis]
    classifier = Classifier((project.root / "models/digit-cnn/model.tflite").read_bytes())
    place = project.root / "models/digit-cnn/model.json"
    card = json.loads(place.read_text())
    del card["temperature"]
    place.unlink()
    place.write_text(json.dumps(card))

    project.dvc("commit", "--force", "train")
    with in_process.stages():
        project.dvc("repro")
    project.digits("register")
    project.digits("score", "data/inbox/batch")

    evaluated = json.loads((project.root / "metrics/evaluation.json").read_text())
    of_images, of_fields = (look_again(classifier, one, classifier.logits(one), 1.0) for one in (data.test_images, fields))
    expected = metrics.negative_log_likelihood(of_images, data.test_labels, 1.0)
    assert evaluated["nll"] == pytest.approx(expected, abs=1e-5)
    with (project.root / "data/scores/batch/scores.csv").open() as file:
        written = [row["confidence"] for row in csv.DictReader(file)]
    assert written == [f"{one:.4f}" for one in probabilities(of_fields, 1.0).max(axis=1)]


def test_another_clone_scores_with_the_tags_and_the_bytes_alone(registered_project: Project, tmp_path: Path) -> None:
    clone = Project(tmp_path / "clone", registered_project.home)
    subprocess.run(["git", "clone", "--quiet", str(registered_project.root), str(clone.root)], check=True)
    shutil.copytree(registered_project.root / ".dvc/cache", clone.root / ".dvc/cache")
    registered_project.sample(clone.root / "data/inbox/batch", 5)

    done = clone.digits("score", "data/inbox/batch")

    assert not (clone.root / "models").exists()
    assert "digit-cnn v1.0.0 (load_digits)" in done.stdout


def test_a_model_that_is_nowhere_to_be_had_says_how_to_fetch_it(registered_project: Project, copy_of: Copy) -> None:
    project = copy_of(registered_project)
    project.sample("data/inbox/batch", 5)
    shutil.rmtree(project.root / ".dvc/cache")

    done = project.digits("score", "data/inbox/batch", check=False)

    assert done.returncode == 1
    assert "`dvc fetch --all-tags models/digit-cnn`" in done.stderr
    assert "Traceback" not in done.stderr


def test_while_another_process_has_dvc_registering_is_one_clear_line(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    code = "from dvc.repo import Repo\nwith Repo('.').lock:\n    print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=project.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert (holder.stdout or sys.stdin).readline() == "held\n"
        done = project.digits("register", check=False)
        holder.communicate("\n")

    assert done.returncode == 1
    assert "lock" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tag_on_a_commit_without_metrics_breaks_nothing(registered_project: Project, copy_of: Copy) -> None:
    project = copy_of(registered_project)
    project.git("rm", "--quiet", "-r", "--cached", "metrics", "dvc.lock")
    project.git("commit", "--quiet", "--message", "Without results")
    project.git("tag", "--annotate", "--message", "by hand", "digit-cnn@v1.6.0")
    project.git("reset", "--quiet", "HEAD~1")

    shown = project.digits("models")
    again = project.digits("register")

    assert "unknown" in shown.stdout
    assert "v1.0.0 is this very model already" in again.stdout


def gto(project: Project, *arguments: str) -> str:
    """Run GTO, which dates its tags by the clock in whole seconds, once that is past the youngest tag."""
    tagged = project.git("for-each-ref", "--sort=-taggerdate", "--count=1", "--format=%(taggerdate:unix)", "refs/tags")
    while time.time() < int(tagged or 0) + 1:
        time.sleep(0.02)
    done = in_process.gto(arguments, project.root, project.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown_by_gto(project: Project) -> tuple[list[str], str | None]:
    """Give the versions and the champion as ``gto show`` has them."""
    versions = json.loads(gto(project, "show", "digit-cnn", "--json")) if project.git("tag") else []
    stages = json.loads(gto(project, "show", "--json")).get("digit-cnn", {"stage": {}})["stage"]
    return sorted(one["version"] for one in versions), stages.get("champion")


def listed(project: Project) -> tuple[list[str], str | None]:
    """Give the versions and the champion as the pipeline has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        found = [(one.version, one.is_champion) for one in of_registry.registered()]
        reigning = [one.version for one in of_registry.history() if one.until is None]
    assert reigning == [version for version, champion in found if champion]
    return sorted(version for version, _ in found), next((version for version, champion in found if champion), None)


@pytest.mark.parametrize(
    ("commands", "champion"),
    [
        ([["deprecate", "digit-cnn", "v1.0.0", "champion"]], None),
        ([["deprecate", "digit-cnn", "v1.0.0"]], None),
        ([["deprecate", "digit-cnn"]], None),
        ([["assign", "digit-cnn", "--version", "v1.1.0", "--stage", "champion"]], "v1.1.0"),
        (
            [
                ["assign", "digit-cnn", "--version", "v1.1.0", "--stage", "champion"],
                ["deprecate", "digit-cnn", "v1.1.0", "champion"],
            ],
            "v1.0.0",
        ),
        (
            [
                ["assign", "digit-cnn", "--version", "v1.1.0", "--stage", "champion"],
                ["deprecate", "digit-cnn", "v1.1.0"],
            ],
            "v1.0.0",
        ),
    ],
)
def test_what_gto_deprecates_is_followed_as_gto_shows_it(
    second_version: tuple[Project, str], copy_of: Copy, commands: list[list[str]], champion: str | None
) -> None:
    project = copy_of(second_version[0])
    for command in commands:
        gto(project, *command)

    found = listed(project)
    assert found == shown_by_gto(project)
    assert found[1] == champion


def test_after_the_champion_was_deprecated_the_next_model_becomes_it(registered_project: Project, copy_of: Copy) -> None:
    project = copy_of(registered_project)
    gto(project, "deprecate", "digit-cnn", "v1.0.0", "champion")
    (project.root / "data/inbox/batch").mkdir()

    done = project.digits("score", "data/inbox/batch", check=False)
    again = project.digits("promote", "v1.0.0")

    assert done.stderr.startswith("error: no champion yet.")
    assert "is now the champion" in again.stdout
    assert listed(project) == shown_by_gto(project) == (["v1.0.0"], "v1.0.0")


def test_a_lightweight_tag_is_no_version_and_takes_its_number(second_version: tuple[Project, str], copy_of: Copy) -> None:
    project = copy_of(second_version[0])
    project.git("tag", "--delete", "digit-cnn@v1.1.0")
    project.git("tag", "digit-cnn@v1.1.0")

    done = project.digits("register")

    assert "digit-cnn v1.2.0" in done.stdout
    assert listed(project)[0] == ["v1.0.0", "v1.2.0"]


OTHER_RESULTS = {
    "v1.5.0": ("metrics/evaluation.json", '{"dataset": "mnist"}'),
    "v1.6.0": ("metrics/evaluation.json", "[]"),
    "v1.7.0": ("metrics/evaluation.json", '{"accuracy": "high", "dataset": "mnist", "test_set": "x"}'),
    "v2.5.0": ("dvc.lock", "schema: '2.0'\nstages: {}\n"),
    "v2.6.0": ("dvc.lock", "<<<<<<< a merge"),
    "v2.7.0": ("dvc.lock", "[]"),
}


def test_tags_on_commits_with_other_results_are_listed_and_break_nothing(registered_project: Project, copy_of: Copy) -> None:
    project = copy_of(registered_project)
    for version, (file, content) in OTHER_RESULTS.items():
        before = (project.root / file).read_bytes()
        (project.root / file).write_text(content)
        project.git("commit", "--quiet", "--all", "--message", "Other results")
        project.git("tag", "--annotate", "--message", "by hand", f"digit-cnn@{version}")
        (project.root / file).write_bytes(before)
    (project.root / "data/inbox/batch").mkdir()

    shown = project.digits("models").stdout
    again = project.digits("register")
    scored = [
        project.digits("score", "data/inbox/batch", "--model", version, check=False)
        for version in OTHER_RESULTS
        if version.startswith("v2")
    ]

    for version in OTHER_RESULTS:
        (line,) = (line for line in shown.splitlines() if version in line)
        assert line.count("unknown") == (4 if version.startswith("v1") else 0)
    assert "v1.0.0 is this very model already" in again.stdout
    for done in scored:
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1


def test_a_tag_of_something_else_does_not_date_ours(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    project.run("git", "tag", "--annotate", "--message", "far away", "theirs", GIT_COMMITTER_DATE="@4000000000 +0000")

    project.digits("register")

    dates = project.git("for-each-ref", "--format=%(taggerdate:unix)", "refs/tags/digit-cnn*").split()
    assert all(abs(int(date) - time.time()) < 600 for date in dates)


@pytest.mark.parametrize("command", [["register"], ["promote", "v1.0.0"], ["models"], ["score", "data"]])
def test_in_a_sub_folder_of_a_repository_nothing_is_tagged(
    trained_project: Project, tmp_path: Path, command: list[str]
) -> None:
    project = Project(tmp_path / "whole" / "digit-pipeline", trained_project.home)
    shutil.copytree(trained_project.root, project.root, symlinks=True)
    (project.root / ".git").rename(project.root.parent / ".git")

    done = project.digits(*command, check=False)

    assert done.returncode == 1
    assert "the sub-folder digit-pipeline of a Git repository, and tags are of the whole" in done.stderr
    assert done.stderr.count("\n") == 1
    assert project.git("tag") == ""


def test_results_that_git_ignores_are_in_the_snapshot(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    project.git("rm", "--quiet", "-r", "--cached", "metrics", "plots")
    project.git("commit", "--quiet", "--message", "Track no results")
    (project.home / "ignore").write_text("plots/\nmetrics/\n")
    project.git("config", "core.excludesFile", str(project.home / "ignore"))

    project.digits("register")

    kept = project.git("ls-tree", "-r", "--name-only", "digit-cnn@v1.0.0").split()
    assert {"metrics/evaluation.json", "plots/confusion.csv"} <= set(kept)


def test_a_clone_that_would_turn_lf_into_crlf_has_the_bytes_that_dvc_hashed(trained_project: Project, tmp_path: Path) -> None:
    clone = Project(tmp_path / "clone", trained_project.home)
    subprocess.run(
        ["git", "clone", "--quiet", "-c", "core.autocrlf=true", str(trained_project.root), str(clone.root)], check=True
    )
    shutil.copytree(trained_project.root / ".dvc/cache", clone.root / ".dvc/cache")
    clone.dvc("checkout")

    assert json.loads(clone.dvc("status", "--json").stdout) == {}


def test_version_and_champion_are_tagged_together_or_not_at_all(trained_project: Project, copy_of: Copy) -> None:
    project = copy_of(trained_project)
    (project.root / ".git/refs/tags").mkdir(exist_ok=True)
    (project.root / ".git/refs/tags/digit-cnn#champion#1.lock").touch()

    done = project.digits("register", check=False)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert tags(project) == []
