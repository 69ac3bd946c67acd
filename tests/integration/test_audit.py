"""Labels that are likely wrong are found, shown, settled by a person, and written back where Git shows them."""

import csv
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import console, layout, params
from pipeline.datasets import dataset, raw, sample
from pipeline.errors import PipelineError
from pipeline.labelled import labels
from pipeline.params import Params
from pipeline.quality import audit
from pipeline.quality.audit import Audit
from pipeline.reports import html
from pipeline.review import settling, summary
from pipeline.review.queue import Mode
from pipeline.review.session import Session
from tests import in_process
from tests.conftest import ROOT, Project

COUNT, CHANGED = 200, 10
SETTINGS = params.load(ROOT / "params.yaml")


class Scans:
    """A folder of test images with a table of labels, some of which were changed."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.folder, self.out = folder, folder.parent / "audit"
        sample.cut(project.root / layout.ARRAYS, folder, count=COUNT)
        self.right = dataset.read(project.root / layout.ARRAYS).test_labels[:COUNT].tolist()
        random = np.random.default_rng(0)
        self.changed = sorted(random.choice(COUNT, CHANGED, replace=False).tolist())
        given = [(digit + 1 + n % 8) % 10 if n in self.changed else digit for n, digit in enumerate(self.right)]
        self.table = folder / labels.FILE
        self.table.write_text("who;label;file\n" + "".join(f'"Ada ";{digit};{n:05d}.png\n' for n, digit in enumerate(given)))

    def audit(self, settings: Params = SETTINGS) -> Audit:
        return audit.of_folder(self.folder, self.out, settings, print, console.progress)

    def key(self, count: int) -> None:
        """Key the right digits of the first pictures on the page."""
        session = Session(self.out, "ada", Mode(), SETTINGS.score)
        for _ in range(count):
            ((item, _),) = session.next(1)
            session.answer(item.picture, item.look, str(self.right[int(item.path[:5])]), 1.0, os.urandom(8).hex())
        summary.publish(self.out)


@pytest.fixture
def scans(registered_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scans:
    monkeypatch.chdir(registered_project.root)
    return Scans(registered_project, tmp_path / "scans")


def test_labels_that_were_changed_are_on_the_sheet_and_first_in_the_table(scans: Scans) -> None:
    (scans.folder / "broken.png").write_bytes(b"")
    with scans.table.open("a") as table:
        table.write("x;none;00000.png\nx;5;broken.png\n")

    found = scans.audit()

    first = [int(line[0][:5]) for line in found.lines[: 2 * CHANGED]]
    assert len(set(scans.changed) & set(first)) >= CHANGED - 2
    assert (len(found.lines), found.left) == (COUNT - 1, 2)
    with (scans.out / audit.CSV).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row.values()) for row in rows] == found.lines
    assert [float(row["probability"]) for row in rows] == sorted(float(row["probability"]) for row in rows)
    assert sum(row["likely_wrong"] == "yes" for row in rows) == found.likely
    shown = {line[0]: line for line in (json.loads(one) for one in html.lines_of(scans.out / "report.html"))}
    assert len(shown) == COUNT - 1
    for row in rows:
        assert shown[row["file"]][2:6] == [row[name] for name in ("label", "probability", "suggested", "suggested_probability")]
    page = (scans.out / "report.html").read_text(encoding="utf-8")
    assert f"{found.likely} of {COUNT - 1} labels are likely wrong" in page
    assert not (scans.out / "scores.csv").exists()


def test_what_a_person_keys_goes_into_the_table_line_by_line(scans: Scans) -> None:
    before = scans.table.read_text().splitlines()
    found = scans.audit()
    keyed = [int(line[0][:5]) for line in found.lines if line[-1] == "yes"]

    scans.key(found.likely)
    said = settling.settle(scans.out, SETTINGS.score)

    after = scans.table.read_text().splitlines()
    different = {n for n, (one, other) in enumerate(zip(before[1:], after[1:], strict=True)) if one != other}
    assert different == set(keyed) & set(scans.changed)
    assert after[0] == before[0]
    assert all(after[n + 1] == f"Ada ;{scans.right[n]};{n:05d}.png" for n in different)
    assert said.startswith(f"{len(different)} labels changed in {scans.table}; `git diff` shows them")
    assert settling.settle(scans.out, SETTINGS.score) == "no label was keyed otherwise than it is"
    again = scans.audit()
    assert again.likely < found.likely
    assert summary.publish(scans.out).keyed == len(keyed)


def test_a_table_in_place_of_folders_keeps_the_labels_of_what_no_audit_judges(scans: Scans) -> None:
    given = [(name, label) for name, _, label in labels.read_table(scans.table)]
    scans.table.unlink()
    for name, label in [*given, ("letter.png", labels.NO_DIGIT), ("broken.png", "4")]:
        (scans.folder / label).mkdir(exist_ok=True)
        if (scans.folder / name).exists():
            (scans.folder / name).rename(scans.folder / label / name)
    shutil.copyfile(scans.folder / given[0][1] / given[0][0], scans.folder / labels.NO_DIGIT / "letter.png")
    (scans.folder / "4/broken.png").write_bytes(b"")
    before = {path.relative_to(scans.folder).as_posix().encode() for path in scans.folder.rglob("*.png")}

    found = scans.audit()
    session = Session(scans.out, "ada", Mode(), SETTINGS.score)
    ((item, _),) = session.next(1)
    session.answer(item.picture, item.look, str(scans.right[int(item.path[2:7])]), 1.0, os.urandom(8).hex())
    settling.settle(scans.out, SETTINGS.score)

    assert found.left == 2
    after = labels.read(scans.folder, before)
    folders = {path: path.partition(b"/")[0].decode() for path in before}
    different = {path for path in before if after.of(path, 1) != labels.parsed(folders[path])}
    assert different == {item.path}


def test_a_scored_batch_that_is_no_audit_changes_no_table(scans: Scans) -> None:
    assert settling.settle(scans.out, SETTINGS.score) == ""


def test_labels_that_went_away_are_said(scans: Scans) -> None:
    scans.audit()
    scans.folder.rename(scans.folder.with_name("moved"))

    with pytest.raises(PipelineError, match=r"scans: not there any more, so that nothing that was keyed could be written"):
        settling.settle(scans.out, SETTINGS.score)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "its first line is ''"),
        ("file,label\n", "no labelled scan: not in labels.csv"),
        ("file,label\n00000.png,x\n", "no labelled scan: the label 'x' is no digit from 0 to 9"),
    ],
)
def test_a_folder_without_labels_is_said_in_one_line(scans: Scans, table: str, words: str) -> None:
    scans.table.write_text(table)

    with pytest.raises(PipelineError, match=words):
        scans.audit()


@pytest.mark.slow
def test_the_data_set_is_audited_by_networks_that_never_saw_the_pictures(
    registered_project: Project, copy_of: Callable[[Project], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(registered_project)
    monkeypatch.chdir(project.root)
    project.set(train__epochs=2)
    data = raw.read(layout.RAW)
    everything = len(data.train_labels) + len(data.test_labels)

    with in_process.stages():
        found = audit.of_dataset(Path("audit"), params.load(layout.PARAMS), print, console.progress)

    assert len(found.lines) == everything
    pictures = sorted(path.stem for path in Path("audit/images").glob("*.png"))
    assert len(pictures) == max(audit.LEAST_SHOWN, found.likely)
    given = labels.read(Path("audit/images"), [f"{name}.png".encode() for name in pictures])
    for name in pictures:
        split, number = name.split("-")
        assert given.of(f"{name}.png".encode(), 1) == getattr(data, f"{split}_labels")[int(number)]
    right = np.mean([float(line[3]) > float(line[5]) for line in found.lines])
    assert right > 0.7


@pytest.mark.slow
def test_labels_of_scans_that_dvc_keeps_change_in_git(
    registered_project: Project, copy_of: Callable[[Project], Project], scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(registered_project)
    monkeypatch.chdir(project.root)
    said = project.digits("collect", str(scans.folder), "--as", "mine").stdout
    # As an earlier version of this program kept it, in the folder.
    (project.root / "data/labelled/mine.csv").rename(project.root / "data/labelled/mine/labels.csv")
    project.dvc("add", "data/labelled/mine")
    scans.folder, scans.out = layout.LABELLED / "mine", layout.AUDITS / "mine"

    found = scans.audit()
    scans.key(found.likely)
    settled = project.digits("review", "data/audits/mine", "--summary").stdout

    assert "commit data/labelled/mine.dvc, data/labelled/mine.csv and data/labelled/.gitignore." in said
    assert re.search(r"^\d labels changed in data/labelled/mine\.csv; ", settled, re.MULTILINE)
    assert not Path("data/labelled/mine/labels.csv").exists()
    assert "mine" not in project.dvc("status", "data/labelled/mine.dvc").stdout
    written = labels.read(layout.LABELLED / "mine", [f"{n:05d}.png".encode() for n in range(COUNT)])
    keyed = [int(line[0][:5]) for line in found.lines if line[-1] == "yes"]
    assert [written.of(f"{n:05d}.png".encode(), 1) for n in keyed] == [scans.right[n] for n in keyed]
