"""Scoring folders with a real model: the rows, the manifest, and what becomes of bad input."""

import csv
import dataclasses
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from pipeline import exclusive, layout, params
from pipeline.registry import contents
from pipeline.scoring import batch as batches
from pipeline.scoring import manifest as manifests
from pipeline.scoring import run
from tests.conftest import DIGITS, ROOT, Project, copy_project, too_deep
from tests.scored import rows_in
from tests.written import by_pillow

COLUMNS = "file,page,label,confidence,second_label,second_confidence,status,reason,model"


@pytest.fixture(scope="module")
def project_with_a_batch(registered_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a champion and a batch of twenty pictures. Not to be changed."""
    project = copy_project(registered_project, tmp_path_factory.mktemp("batch"))
    project.sample("data/inbox/batch", 20)
    # What it keeps makes every later command a second faster.
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        contents.load("champion")
    return project


@pytest.fixture
def project(project_with_a_batch: Project, copy_of: Callable[[Project], Project]) -> Project:
    return copy_of(project_with_a_batch)


def batch(project: Project) -> Path:
    return project.root / "data/inbox/batch"


def rows(project: Project, out: str = "data/scores/batch") -> list[dict[str, str]]:
    with (project.root / out / "scores.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def manifest(project: Project) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((project.root / "data/scores/batch/manifest.json").read_text())
    return loaded


def test_every_picture_gets_a_row_in_order_with_exactly_these_columns(project: Project) -> None:
    project.digits("score", "data/inbox/batch")

    content = (project.root / "data/scores/batch/scores.csv").read_bytes()
    scored = rows(project)
    assert content.startswith(f"{COLUMNS}\n".encode())
    assert b"\r" not in content
    assert content.endswith(b"\n")
    assert [row["file"] for row in scored] == [f"{index:05d}.png" for index in range(20)]
    assert {row["page"] for row in scored} == {"1"}
    assert {row["model"] for row in scored} == {"v1.0.0"}
    assert all(
        len(row["label"]) == 1 and 0 <= float(row["second_confidence"]) <= float(row["confidence"]) <= 1 for row in scored
    )
    assert {row["status"] for row in scored} <= {"ok", "review"}


def test_the_labels_are_those_of_the_evaluated_model(project: Project) -> None:
    with (project.root / "plots/confusion.csv").open() as file:
        predicted = [row["predicted"] for row in csv.DictReader(file)][:20]

    project.digits("score", "data/inbox/batch")

    agreeing = sum(row["label"] == label for row, label in zip(rows(project), predicted, strict=True))
    assert agreeing >= 19


def test_bad_files_become_error_rows_and_the_batch_goes_on(project: Project) -> None:
    project.set(score__maximum_error_share=0.5)
    good = (batch(project) / "00000.png").read_bytes()
    bad = {"empty.png": b"", "half.png": good[:60], "text.PNG": b"not a picture", "zip.jpg": b"PK\x03\x04" * 9}
    for name, content in bad.items():
        (batch(project) / name).write_bytes(content)
    (batch(project) / "notes.txt").write_text("not scored")
    (batch(project) / "link.png").symlink_to(batch(project) / "00000.png")

    project.digits("score", "data/inbox/batch")

    errors = {row["file"]: row for row in rows(project) if row["status"] == "error"}
    assert set(errors) == set(bad)
    assert errors["empty.png"]["reason"] == "empty file"
    assert all(row["label"] == row["confidence"] == row["second_label"] == "" and row["reason"] for row in errors.values())
    assert manifest(project)["ignored"] == 1
    assert manifest(project)["symbolic_links"] == 1
    assert manifest(project)["rows"] == 24


def test_a_picture_that_is_still_being_copied_is_for_review(project: Project) -> None:
    digit = np.asarray(Image.open(batch(project) / "00000.png"))
    content = by_pillow("BMP")(np.kron(digit, np.ones((4, 4), np.uint8)))
    (batch(project) / "copied.bmp").write_bytes(content)
    (batch(project) / "half.bmp").write_bytes(content[: len(content) * 3 // 5].ljust(len(content), b"\0"))

    project.digits("score", "data/inbox/batch")

    copied, half = (row for row in rows(project) if row["file"].endswith(".bmp"))
    assert (half["status"], half["reason"]) == ("review", "perhaps half a picture")
    assert half["label"]
    assert copied["reason"] != half["reason"]


def test_the_way_to_read_the_rows_that_the_documentation_names_keeps_labels_whole(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (batch(project) / "empty.png").touch()
    project.digits("score", "data/inbox/batch", "--confidence", "0")
    monkeypatch.chdir(project.root / "data/scores/batch")
    (line,) = re.findall(r"`(pandas\.read_csv\(.*\))`", (ROOT / "docs/scoring.md").read_text(encoding="utf-8"))

    table = eval(line, {"pandas": pd})  # noqa: S307 - it is ours

    assert [str(label) for label in table["label"]] == [row["label"] or "<NA>" for row in rows(project)]
    assert [str(label) for label in table["second_label"]] == [row["second_label"] or "<NA>" for row in rows(project)]


def test_the_queries_that_the_documentation_names_answer(project: Project) -> None:
    (batch(project) / "copy.png").write_bytes((batch(project) / "00000.png").read_bytes())
    project.digits("score", "data/inbox/batch", "--confidence", "0")
    queries = re.findall(r'^sqlite3 scores\.db "(.*)"$', (ROOT / "docs/scoring.md").read_text(encoding="utf-8"), re.MULTILINE)

    with closing(sqlite3.connect(project.root / "data/scores/batch/scores.db")) as store:
        by_label, confused, alike = (store.execute(query).fetchall() for query in queries)

    read = [row for row in rows(project) if row["status"] == "ok"]
    assert {str(label): count for label, count, _ in by_label} == Counter(row["label"] for row in read)
    assert {path for path, *_ in confused} == {row["file"] for row in rows(project) if row["label"] in ("3", "8")}
    assert alike == [(2, "00000.png")]


def test_past_the_share_of_errors_the_run_fails_with_the_rows_written(project: Project) -> None:
    for number in range(10):
        (batch(project) / f"bad-{number}.png").write_bytes(b"bad")

    done = project.digits("score", "data/inbox/batch", check=False)

    assert done.returncode == 1
    assert "10 of 30 images could not be read" in done.stderr
    assert len(rows(project)) == 30


def test_names_cannot_run_as_formulas_or_break_the_csv(project: Project) -> None:
    good = (batch(project) / "00000.png").read_bytes()
    names = [
        "=1+1.png",
        "'=1+1.png",
        "+1.png",
        "-1.png",
        "@x.png",
        'a,"b".png',
        "new\nline.png",
        "return\r.png",
        "ünï 🖊.png",
        "sub/=2.png",
    ]
    (batch(project) / "sub").mkdir()
    for name in names:
        (batch(project) / name).write_bytes(good)
    with open(os.fsencode(batch(project)) + b"/\xff\xfe.png", "wb") as file:  # noqa: PTH123 - a Path holds no such name
        file.write(good)

    project.digits("score", "data/inbox/batch")

    files = [row["file"] for row in rows(project)]
    assert len(files) == len(set(files)) == 31
    assert {
        "'=1+1.png",
        "''=1+1.png",
        "'+1.png",
        "'-1.png",
        "'@x.png",
        'a,"b".png',
        "new\nline.png",
        "return\r.png",
        "ünï 🖊.png",
        "sub/=2.png",
    } <= set(files)
    assert "\\xff\\xfe.png" in files


def test_an_empty_folder_is_one_clear_line(project: Project) -> None:
    (project.root / "empty").mkdir()
    (project.root / "empty/notes.txt").touch()

    done = project.digits("score", "empty", check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: empty: no images to score (1 other files")
    assert done.stderr.count("\n") == 1
    assert not (project.root / "data/scores/empty").exists()


def test_without_a_champion_one_clear_line_says_how_to_get_one(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    project.sample("data/inbox/batch", 5)

    done = project.digits("score", "data/inbox/batch", check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: no champion yet. Train and register a model")
    assert done.stderr.count("\n") == 1


def test_a_folder_that_is_not_there_is_bad_usage(project: Project) -> None:
    assert project.digits("score", "no-such-folder", check=False).returncode == 2
    assert project.digits("score", check=False).returncode == 2


def test_a_version_can_be_named_and_an_unknown_one_is_refused(project: Project) -> None:
    project.digits("score", "data/inbox/batch", "--model", "v1.0.0", "--out", "elsewhere")
    unknown = project.digits("score", "data/inbox/batch", "--model", "v7.0.0", check=False)

    assert len(rows(project, "elsewhere")) == 20
    assert unknown.returncode == 1
    assert "v7.0.0: no such version of digit-cnn. Registered: v1.0.0" in unknown.stderr


def test_scoring_again_without_a_change_writes_nothing(project: Project) -> None:
    project.digits("score", "data/inbox/batch")
    before = (project.root / "data/scores/batch/manifest.json").stat().st_mtime_ns

    done = project.digits("score", "data/inbox/batch")

    assert "nothing changed" in done.stdout
    assert (project.root / "data/scores/batch/manifest.json").stat().st_mtime_ns == before


def test_the_output_may_lie_inside_the_folder(project: Project) -> None:
    for _ in range(2):
        done = project.digits("score", "data/inbox/batch", "--out", "data/inbox/batch/scores")

    assert "nothing changed" in done.stdout


def test_the_manifest_tells_what_was_scored_and_with_what(project: Project) -> None:
    project.digits("score", "data/inbox/batch")

    written = manifest(project)
    lock = YAML(typ="safe").load((project.root / "dvc.lock").read_text())
    assert lock["stages"]["train"]
    assert written["schema_version"] == 6
    assert written["folder"] == "data/inbox/batch"
    assert (written["model"], written["dataset"]) == ("v1.0.0", "load_digits")
    assert sum(written["statuses"].values()) == 20  # type: ignore[attr-defined]
    labelled = [row["label"] for row in rows(project) if row["label"]]
    assert sum(written["labels"].values()) == len(labelled)  # type: ignore[attr-defined]
    assert (written["scored"], written["unread_pictures"]) == (20, {})


SCORE = ("score", "data/inbox/batch")


@pytest.fixture
def killed(project: Project) -> Project:
    """A project whose run of scoring was killed after some fifty of 620 shards."""
    project.set(score__shard_size=1)
    for number in range(600):
        (batch(project) / f"more-{number:04d}.png").write_bytes((batch(project) / f"{number % 20:05d}.png").read_bytes())
    with subprocess.Popen([*DIGITS, *SCORE], cwd=project.root, env=project.environment, stderr=subprocess.DEVNULL) as process:
        while rows_in(project.root / "data/scores/batch") < 50:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert rows_in(project.root / "data/scores/batch") < 620
    assert not (project.root / "data/scores/batch/scores.csv").exists()
    return project


def mark(project: Project) -> None:
    """Mark the first row that was kept."""
    with closing(sqlite3.connect(project.root / "data/scores/batch/scores.db")) as store, store:
        store.execute(
            "update row set line = replace(line, 'v1.0.0', 'from before the kill') where path = (select min(path) from row)"
        )


def test_a_killed_run_ends_with_the_bytes_of_an_undisturbed_one(killed: Project) -> None:
    killed.digits(*SCORE)
    killed.digits(*SCORE, "--out", "undisturbed")

    same = (killed.root / "undisturbed/scores.csv").read_bytes()
    assert (killed.root / "data/scores/batch/scores.csv").read_bytes() == same
    assert not list((killed.root / "data/scores/batch").glob("scores.db-*"))


def test_a_killed_run_scores_no_finished_shard_again(killed: Project) -> None:
    mark(killed)

    kept = rows_in(killed.root / "data/scores/batch")
    killed.digits(*SCORE)

    assert [row["model"] for row in rows(killed)].count("from before the kill") == 1
    written = manifest(killed)
    assert (written["rows"], written["scored"]) == (620, 620 - kept)
    assert written["images_per_second"] == pytest.approx((620 - kept) / float(str(written["seconds"])), rel=0.02)


def test_a_second_run_on_the_same_output_stops_with_a_clear_error(project: Project) -> None:
    out = project.root / "data/scores/batch"
    out.mkdir(parents=True)

    with exclusive.held(out / ".lock", "nobody else is here"):
        done = project.digits(*SCORE, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: data/scores/batch: another run is writing its scores here")
    assert not (out / "scores.csv").exists()


def test_rows_of_one_model_never_stand_beside_the_manifest_of_another(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.digits(*SCORE)
    monkeypatch.chdir(project.root)
    model = dataclasses.replace(contents.load("champion"), version="v9.9.9")
    prepared = batches.prepare(batch(project), project.root / "data/scores/batch", model, params.load(layout.PARAMS).score)
    with monkeypatch.context() as stopped, pytest.raises(ZeroDivisionError):
        stopped.setattr(manifests, "write", lambda *_: 1 / 0)  # between the rows and the manifest
        run.score(prepared, model, lambda _: None)
    assert {row["model"] for row in rows(project)} == {"v9.9.9"}

    done = project.digits(*SCORE)

    assert "nothing changed" not in done.stdout
    assert {row["model"] for row in rows(project)} == {"v1.0.0"}


@pytest.mark.parametrize(
    ("missing", "out"),
    [("nothing", []), ("manifest.json", []), ("scores.csv", []), ("manifest.json", ["--out", "data/scores/batch"])],
)
def test_the_scores_of_another_folder_are_never_overwritten(project: Project, missing: str, out: list[str]) -> None:
    project.digits(*SCORE)
    scores = project.root / "data/scores/batch"
    (scores / missing).unlink(missing_ok=True)
    before = {path.name: path.read_bytes() for path in scores.iterdir()}
    project.sample("elsewhere/batch", 5)

    done = project.digits("score", "elsewhere/batch", *out, check=False)

    assert done.returncode == 1
    assert done.stderr == (
        "error: data/scores/batch: holds the scores of data/inbox/batch. Name another folder with --out, or delete this one.\n"
    )
    assert {path.name: path.read_bytes() for path in scores.iterdir()} == before


def test_a_csv_that_no_run_here_wrote_is_not_overwritten(project: Project) -> None:
    (project.root / "mine").mkdir()
    (project.root / "mine/scores.csv").write_text("my own")

    done = project.digits("score", "data/inbox/batch", "--out", "mine", check=False)

    assert done.returncode == 1
    assert "mine: holds the scores of a folder that is not known" in done.stderr
    assert (project.root / "mine/scores.csv").read_text() == "my own"


def test_rows_of_a_killed_run_are_kept_from_another_folder(killed: Project) -> None:
    killed.sample("elsewhere/batch", 5)
    before = rows_in(killed.root / "data/scores/batch")

    done = killed.digits("score", "elsewhere/batch", check=False)

    assert done.returncode == 1
    assert "holds the scores of data/inbox/batch" in done.stderr
    assert rows_in(killed.root / "data/scores/batch") == before > 0


def test_a_project_that_was_moved_knows_its_own_scores(project: Project, tmp_path: Path) -> None:
    project.digits("score", str(project.root / "data/inbox/batch"))
    moved = Project(project.root.rename(tmp_path / "moved"), project.home)

    done = moved.digits("score", str(moved.root / "data/inbox/batch"))

    assert "nothing changed" in done.stdout
    assert manifest(moved)["folder"] == "data/inbox/batch"


def test_a_setting_that_changes_no_row_scores_nothing_again(project: Project) -> None:
    project.digits(*SCORE)
    project.set(score__maximum_error_share=0.2, score__shard_size=7, score__image_suffixes=[".png", ".jpg"])

    assert "nothing changed" in project.digits(*SCORE).stdout


def test_an_edited_normaliser_makes_a_batch_be_scored_again(project: Project) -> None:
    project.digits(*SCORE)
    with (project.root / "pipeline/digits/pictures/normalising.py").open("a") as code:
        code.write("\nEDITED = True\n")

    assert "nothing changed" not in project.run(*DIGITS, *SCORE).stdout


def test_an_edited_normaliser_takes_no_rows_of_a_killed_run(killed: Project) -> None:
    mark(killed)
    with (killed.root / "pipeline/digits/pictures/normalising.py").open("a") as code:
        code.write("\nEDITED = True\n")

    killed.run(*DIGITS, *SCORE)

    assert {row["model"] for row in rows(killed)} == {"v1.0.0"}


def test_another_size_of_shards_takes_no_rows_of_a_killed_run(killed: Project) -> None:
    killed.set(score__shard_size=3)

    killed.digits(*SCORE)

    assert [row["file"] for row in rows(killed)] == sorted(path.name for path in batch(killed).iterdir())


def test_pictures_of_a_kind_that_is_not_read_are_named(project: Project) -> None:
    for name in ("a.svg", "b.psd", "notes.txt"):
        (batch(project) / name).touch()

    done = project.digits(*SCORE)

    assert done.stdout.splitlines()[-1] == "pictures of a kind that is not read: a.svg, b.psd (2 in all)"
    assert manifest(project)["unread_pictures"] == {".svg": 1, ".psd": 1}
    assert manifest(project)["ignored"] == 1


def test_a_folder_that_cannot_be_read_ends_the_run_as_failed_with_the_rows_written(project: Project) -> None:
    too_deep(batch(project))

    done = project.digits(*SCORE, check=False)

    assert done.returncode == 1
    assert "error: data/scores/batch/scores.csv: folders that could not be read: deepdeep" in done.stderr
    assert len(rows(project)) == 20


def test_a_folder_of_nothing_but_pictures_of_another_kind_names_them(project: Project) -> None:
    (project.root / "phone").mkdir()
    (project.root / "phone/a.svg").touch()

    done = project.digits("score", "phone", check=False)

    assert done.returncode == 1
    assert "; pictures of a kind that is not read: a.svg (1 in all)). An image" in done.stderr


def test_names_that_are_no_utf_8_are_shown_where_standard_output_is_strict(project: Project) -> None:
    folder = os.fsdecode(os.fsencode(project.root) + b"/data/inbox/caf\xe9")
    batch(project).rename(folder)

    first, second = (project.run(*DIGITS, "score", folder, PYTHONIOENCODING="utf-8:strict") for _ in range(2))

    assert r"data/scores/caf\xe9/scores.csv" in first.stdout.splitlines()
    assert "nothing changed" in second.stdout


def test_json_is_the_manifest_and_nothing_else_on_standard_output(project: Project) -> None:
    for _ in range(2):
        done = project.digits("score", "data/inbox/batch", "--json")

        assert done.stdout == (project.root / "data/scores/batch/manifest.json").read_text()
        assert done.stderr == ""


def test_json_is_printed_past_the_share_of_errors_too(project: Project) -> None:
    for number in range(10):
        (batch(project) / f"bad-{number}.png").write_bytes(b"bad")

    done = project.digits("score", "data/inbox/batch", "--json", check=False)

    assert (done.returncode, json.loads(done.stdout)["statuses"]["error"]) == (1, 10)
    assert done.stderr.startswith("error: ")


def test_the_options_reach_the_rows(project: Project) -> None:
    project.digits(
        "score", "data/inbox/batch", "--allow", "0-5", "--probabilities", "--confidence", "1", "--workers", "1", "--no-report"
    )

    assert not (project.root / "data/scores/batch/report.html").exists()
    scored = rows(project)
    assert {row["status"] for row in scored} <= {"review"}
    assert all(float(row["p9"]) == 0 < float(row[f"p{row['label']}"]) for row in scored)
    assert manifest(project)["workers"] == 1


def test_paths_may_come_from_standard_input(project: Project) -> None:
    names = "\n".join(str(path.relative_to(project.root)) for path in batch(project).iterdir())
    command = [*DIGITS, "score", "-", "--out", "piped"]

    subprocess.run(command, cwd=project.root, env=project.environment, input=names, text=True, capture_output=True, check=True)

    assert [row["file"] for row in rows(project, "piped")] == [f"data/inbox/batch/{index:05d}.png" for index in range(20)]


def test_neither_the_command_nor_its_workers_need_tensorflow(project: Project, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nfor name in ('tensorflow', 'keras'): sys.modules[name] = None\n")

    for workers in ([], ["--workers", "2", "--fresh"]):
        project.run(*DIGITS, *SCORE, *workers, PYTHONPATH=str(tmp_path))

    assert {row["status"] for row in rows(project)} <= {"ok", "review"}


def test_a_csv_that_was_edited_is_named(project: Project) -> None:
    project.digits("score", "data/inbox/batch")
    (project.root / "data/scores/batch/scores.csv").write_text("my own")

    unchanged = project.digits("score", "data/inbox/batch")
    fresh = project.digits("score", "data/inbox/batch", "--fresh")

    assert "scores.csv itself was changed; --fresh writes it anew" in unchanged.stdout
    assert "what somebody made of the last scores.csv is kept in data/scores/batch/scores.edited.csv" in fresh.stdout
    assert (project.root / "data/scores/batch/scores.edited.csv").read_text() == "my own"
    assert len(rows(project)) == 20


def test_from_a_folder_below_the_root_paths_start_where_the_user_stands(project: Project) -> None:
    below = dataclasses.replace(project, root=project.root / "data/inbox")
    (below.root / "list.txt").write_text("batch/00003.png\n")

    done = below.digits("score", "batch")
    listed = below.digits("score", "list.txt", "--out", "listed", "--quiet")
    names = below.digits("models")

    assert done.stderr.startswith(f"in {project.root}\n")
    assert len(rows(project)) == 20
    assert (listed.stdout, listed.stderr) == ("", "")
    assert [row["file"] for row in rows(project, "data/inbox/listed")] == ["data/inbox/batch/00003.png"]
    assert "v1.0.0" in names.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("digits promote v", ["v1.0.0"]),
        ("digits score --model ", ["champion", "v1.0.0"]),
        ("digits review b", ["batch"]),
        ("digits score data/in", ["data/inbox/batch"]),
    ],
)
def test_a_shell_completes_versions_batches_and_folders(line: str, expected: list[str], project: Project) -> None:
    project.digits("score", "data/inbox/batch")

    done = project.digits(_DIGITS_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" ")))

    assert done.stdout.split() == expected


def test_a_sample_can_be_cut_again_and_made_larger_but_never_into_other_files(project: Project) -> None:
    assert project.digits("sample", "new", "--count", "1").stdout == "1 picture in new\n"
    assert project.digits("sample", "new", "--count", "3").stdout == "3 pictures in new\n"
    assert project.digits("sample", "new", "--count", "3").stdout == "3 pictures in new\n"

    (project.root / "new/mine.txt").write_text("mine")
    refused = project.digits("sample", "new", "--count", "3", check=False)
    assert (refused.returncode, refused.stderr) == (
        1,
        "error: new: holds something else. Name another folder, or delete this one.\n",
    )
    assert len(list((project.root / "new").iterdir())) == 4


def test_a_quiet_stage_prints_nothing(project: Project) -> None:
    for stage in ("validate", "reshape", "collect"):
        done = project.digits(stage, "--quiet")

        assert (done.stdout, done.stderr) == ("", "")
