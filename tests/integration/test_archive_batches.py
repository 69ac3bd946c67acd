"""Batches in archives: the same rows as in a folder, one for each picture, whatever happens between."""

import os
import shutil
import sqlite3
import tarfile
import time
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.errors import PipelineError, StorageError
from pipeline.review import answers as kept
from pipeline.review import pictures
from pipeline.scoring import database, executors
from pipeline.scoring.database import NAME as STORE
from tests.scored import IMAGES, SETTINGS, Scans, interrupt_after


def pack(folder: Path, archive: Path, *, remove: bool = True) -> None:
    """Put the pictures of a folder into an archive."""
    names = sorted(path.name for path in folder.iterdir() if path != archive)
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name in names:
                zipped.write(folder / name, name)
    else:
        with tarfile.open(archive, "w") as tarred:
            for name in reversed(names):
                tarred.add(folder / name, name)
    for name in names if remove else []:
        (folder / name).unlink()


def values(scans: Scans, archive: str = "") -> dict[str, list[str]]:
    """Give rows without the name of the archive."""
    return {name.removeprefix(archive): list(row.values())[1:] for name, row in scans.rows().items()}


BOTH = pytest.mark.parametrize("name", ["b.zip", "b.tar"])


@BOTH
def test_an_archive_is_read_as_a_folder_is(scans: Scans, name: str) -> None:
    before = scans.score()
    expected = values(scans)
    pack(scans.folder, scans.folder / name)

    manifest = scans.score()

    assert values(scans, f"{name}/") == expected
    assert (manifest.files, manifest.rows, manifest.scored, manifest.statuses) == (IMAGES, before.rows, IMAGES, before.statuses)
    assert list(scans.rows()) == sorted(scans.rows())
    assert scans.shown().keys() == scans.rows().keys()
    assert scans.score().fingerprint == manifest.fingerprint


@BOTH
def test_an_archive_is_a_batch_of_its_own_too(scans: Scans, name: str) -> None:
    scans.score()
    expected = values(scans)
    pack(scans.folder, scans.folder.parent / name)
    scans.folder, scans.out = scans.folder.parent / name, scans.folder.parent / "of-the-archive"

    scans.score()

    assert values(scans, f"{name}/") == expected


@pytest.mark.parametrize("workers", [None, 2])
def test_files_and_archives_stand_side_by_side(scans: Scans, workers: int | None) -> None:
    pack(scans.folder, scans.folder / "m.tar", remove=False)
    pack(scans.folder, scans.folder / "a.zip", remove=False)
    (scans.folder / "broken.zip").write_bytes(b"PK")

    manifest = scans.score(workers=workers)

    # In the ZIP there is the tar.
    assert (manifest.rows, manifest.files) == (3 * IMAGES + 2, 3 * IMAGES + 2)
    assert manifest.statuses["error"] == 2
    assert scans.rows()["a.zip/m.tar"]["reason"] == "an archive in an archive is not read"
    assert scans.rows()["broken.zip"]["reason"] == "not an archive, or cut short: File is not a zip file"
    assert manifest.workers == (workers or 0)


def test_only_an_archive_that_changed_is_read_again(scans: Scans) -> None:
    scans.add("c.png")
    c = (scans.folder / "c.png").rename(scans.folder.with_name("c.png"))
    for name in ("a.tar", "b.tar"):
        pack(scans.folder, scans.folder / name, remove=name == "b.tar")
    shutil.copy(c, scans.folder)
    first = scans.score()
    assert first.rows == IMAGES + 2  # c.png, and a.tar in b.tar
    with tarfile.open(scans.folder / "b.tar", "a") as archive:
        archive.add(scans.folder / "c.png", "c.png")

    second = scans.score()

    assert (second.reused, second.scored, second.rows) == (1, IMAGES + 2, IMAGES + 3)
    assert "b.tar/c.png" in scans.rows()
    (scans.folder / "b.tar").unlink()
    assert scans.score().rows == 1


def test_a_run_that_was_interrupted_goes_on_in_an_archive(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(scans.folder, scans.folder / "b.zip")
    with pytest.raises(KeyboardInterrupt):
        scans.score(tell=interrupt_after(2))
    monkeypatch.setattr("pipeline.scoring.files.look_into", pytest.fail)

    manifest = scans.score()

    assert (manifest.resumed, manifest.scored, manifest.rows) == (14, IMAGES - 14, IMAGES)


def test_what_is_left_out_of_an_archive_is_counted_as_in_a_folder(scans: Scans) -> None:
    for name in ("notes.txt", "a.psd", ".hidden.png"):
        (scans.folder / name).touch()
    before = scans.score()
    pack(scans.folder, scans.folder / "b.tar")

    for manifest in (scans.score(), scans.score()):
        assert (manifest.ignored, manifest.unread_pictures) == (before.ignored, before.unread_pictures) == (2, {".psd": 1})


def test_a_store_without_archives_is_gone_on_with(scans: Scans) -> None:
    scans.score()
    with closing(sqlite3.connect(scans.out / STORE)) as connection:
        connection.executescript("drop table archive; drop table member; alter table row drop column traits")
        connection.executescript("pragma user_version = 1; pragma journal_mode = delete")
    (scans.folder / "new.zip").write_bytes(b"PK")

    manifest = scans.score()

    assert (manifest.reused, manifest.scored) == (IMAGES, 1)
    with closing(sqlite3.connect(scans.out / STORE)) as connection:
        assert connection.execute("pragma user_version").fetchone() == (database.SCHEMA,)


def test_a_folder_that_is_away_for_a_moment_costs_no_row(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    scans.score()
    expected = scans.rows()
    away = scans.folder.with_name("away")
    naps: list[float] = []

    def come_back(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            away.rename(scans.folder)

    def go_away(_: object) -> None:
        if not naps:
            scans.folder.rename(away)

    monkeypatch.setattr(time, "sleep", come_back)

    manifest = scans.score(fresh=True, tell=go_away)

    assert len(naps) == 3
    assert scans.rows() == expected
    assert manifest.statuses.get("error", 0) == 0


def test_a_folder_that_stays_away_ends_the_run_and_loses_nothing(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "PATIENCE", 0.1)
    away = scans.folder.with_name("away")

    def go_away(_: object) -> None:
        scans.folder.rename(away)

    with pytest.raises(StorageError, match=r"cannot be read: No such file or directory\. It has been away for 0 s\. The same"):
        scans.score(tell=go_away)
    away.rename(scans.folder)

    assert scans.score().resumed == 7


def test_a_picture_in_an_archive_is_looked_at_and_learned_from(scans: Scans) -> None:
    pack(scans.folder, scans.folder / "b.zip")
    scans.score(settings=SETTINGS.model_copy(update={"minimum_confidence": 1.0}))
    path, original = b"b.zip/00003.png", zipfile.ZipFile(scans.folder / "b.zip").read("00003.png")

    with kept.opened(scans.out) as answers:
        ((pixels,),) = answers.execute("select pixels from scores.row where path = ?", [path])
        assert pictures.read(answers, path, 1, pixels, SETTINGS).fault == ""
        pictures.copy(answers, path, Path("copy.png"), SETTINGS)
        os.utime(scans.folder / "b.zip", (1, 1))
        assert pictures.read(answers, path, 1, pixels, SETTINGS).fault == pictures.CHANGED
        with pytest.raises(PipelineError, match=pictures.CHANGED):
            pictures.copy(answers, path, Path("another.png"), SETTINGS)

    assert Path("copy.png").read_bytes() == original
