"""Batches in object storage: the same bytes as from a folder, whatever the storage does meanwhile."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.registry import _registry

from pipeline.errors import PipelineError, StorageError
from pipeline.review import answers as kept
from pipeline.review import pictures
from pipeline.scoring import batch as batches
from pipeline.scoring import executors, storage
from pipeline.scoring.batch import NothingToScoreError
from pipeline.scoring.listing import list_storage
from tests.conftest import Project
from tests.s3 import BUCKET, S3, forget, serving
from tests.scored import IMAGES, SETTINGS, Scans
from tests.unit.test_archives import tarred, zipped

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with serving() as server:
        yield server


@pytest.fixture
def s3(server: S3) -> S3:
    server.empty()
    return server


@pytest.fixture
def stored(scans: Scans, s3: S3) -> Scans:
    """The pictures in a bucket; their scores from a folder lie beside."""
    scans.score(out=scans.out.with_name("local"))
    s3.put(scans.folder, "batch")
    return Scans(Path(f"s3://{BUCKET}/batch"), scans.model, scans.out)


def is_as_local(scans: Scans) -> bool:
    return (scans.out / "scores.csv").read_bytes() == (scans.out.with_name("local") / "scores.csv").read_bytes()


@pytest.mark.parametrize("workers", [None, 2])
def test_objects_are_scored_as_files_are(stored: Scans, s3: S3, workers: int | None) -> None:
    manifest = stored.score(workers=workers)

    assert is_as_local(stored)
    assert manifest.folder == f"s3://{BUCKET}/batch"
    assert len([one for one in s3.requests if one.startswith("GET") and ".png" in one]) == IMAGES
    assert not [one for one in s3.requests if one.startswith(("PUT", "HEAD"))]


def test_only_objects_that_changed_are_fetched_again(stored: Scans, scans: Scans, s3: S3) -> None:
    first = stored.score()
    assert stored.score().fingerprint == first.fingerprint
    scans.add("new.png", "00007.png")
    s3.put(scans.folder, "batch")

    second = stored.score()

    assert (second.reused, second.scored) == (IMAGES - 1, 2)
    scans.score(out=scans.out.with_name("local"))
    assert is_as_local(stored)


def test_a_listing_comes_page_by_page_and_by_the_rules_of_a_folder(stored: Scans, scans: Scans, s3: S3) -> None:
    for name in (".hidden.png", "notes.txt", "__MACOSX/a.png", "a.psd", "sub/é b.png"):
        (scans.folder / name).parent.mkdir(exist_ok=True)
        scans.add(name)
    s3.put(scans.folder, "batch")
    s3.put(scans.folder, "batch-of-others")

    listing = list_storage(f"s3://{BUCKET}/batch", SETTINGS.image_suffixes)

    assert [path for path, *_ in listing] == sorted(
        str(path.relative_to(scans.folder)).encode()
        for path in scans.folder.rglob("*.png")
        if not path.name.startswith(".") and path.parent.name != "__MACOSX"
    )
    assert (listing.ignored, listing.unread_by_suffix) == (3, {".psd": 1})


@pytest.mark.parametrize("pack", [tarred, zipped])
def test_an_archive_is_read_by_its_ranges(stored: Scans, scans: Scans, s3: S3, pack: type, tmp_path: Path) -> None:
    expected = {name: list(row.values())[1:] for name, row in read(scans.out.with_name("local")).items()}
    (tmp_path / "archives").mkdir()
    name = f"a.{'zip' if pack is zipped else 'tar'}"
    members = {path.name: path.read_bytes() for path in sorted(scans.folder.iterdir(), reverse=True)}
    (tmp_path / "archives" / name).write_bytes(pack({**members, "large.bin": bytes(2**23)}))
    s3.put(tmp_path / "archives", "archives")
    stored.folder = Path(f"s3://{BUCKET}/archives")

    stored.score()

    assert {one.partition("/")[2]: list(row.values())[1:] for one, row in stored.rows().items()} == expected
    stored.folder, stored.out = stored.folder / name, stored.out.with_name("alone")
    stored.score()
    assert {one.partition("/")[2]: list(row.values())[1:] for one, row in stored.rows().items()} == expected


def read(out: Path) -> dict[str, dict[str, str]]:
    return Scans(Path(), None, out).rows()  # type: ignore[arg-type]


def test_members_that_lie_far_apart_are_fetched_one_by_one(
    stored: Scans, scans: Scans, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "BETWEEN", 2**10)
    monkeypatch.setattr(storage, "HEADER", 2**6)
    (tmp_path / "archives").mkdir()
    for name, pack in (("a.tar", tarred), ("b.zip", zipped)):
        members = {path.name: path.read_bytes() for path in sorted(scans.folder.iterdir())[:2]}
        first, second = members
        packed = pack({first: members[first], "x.bin": bytes(range(256)) * 40_000, second: members[second]})
        (tmp_path / "archives" / name).write_bytes(packed)
    s3.put(tmp_path / "archives", "archives")
    stored.folder = Path(f"s3://{BUCKET}/archives")

    manifest = stored.score()

    assert manifest.rows == 4
    assert "error" not in manifest.statuses


def test_broken_and_missing_objects_are_error_rows(stored: Scans, scans: Scans, s3: S3, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    broken = {"empty.png": b"", "broken.png": b"no", "broken.zip": b"PK", "cut.tar": tarred({"a.png": bytes(600)})[:600]}
    for name, content in broken.items():
        (tmp_path / "more" / name).write_bytes(content)
    s3.put(tmp_path / "more", "batch")
    batch = batches.prepare(stored.folder, stored.out, stored.model, SETTINGS.model_copy(update={"maximum_bytes": 10_000}))
    assert batch.listing.count == IMAGES + 4

    manifest = stored.score()

    reasons = {name: row["reason"] for name, row in stored.rows().items() if row["status"] == "error"}
    assert reasons == {
        "broken.png": reasons["broken.png"],
        "broken.zip": "not an archive, or cut short: File is not a zip file",
        "cut.tar": "cut short: the end of the archive is missing",
        "cut.tar/a.png": "cut short: the end of the archive is missing",
        "empty.png": "empty file",
    }
    assert manifest.rows == IMAGES + 5


def test_a_busy_storage_is_asked_again(stored: Scans, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "MOST_BETWEEN", 0.05)
    s3.busy = 60

    manifest = stored.score()

    assert s3.busy == 0
    assert is_as_local(stored)
    assert "error" not in manifest.statuses


def test_a_storage_that_does_not_answer_in_time_is_asked_again(stored: Scans, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(storage.OPTIONS["s3"]["config_kwargs"], "read_timeout", 0.2)
    forget()
    s3.slow, s3.seconds = 12, 0.5

    stored.score()

    forget()
    assert s3.slow == 0
    assert is_as_local(stored)


def test_a_storage_that_stays_away_ends_the_run_with_one_line(stored: Scans, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "PATIENCE", 0.5)
    s3.busy = 10_000

    with pytest.raises(StorageError, match=rf"^s3://{BUCKET}/batch: cannot be read: .*It has been away for \d+ s\. The same"):
        stored.score()
    s3.busy = 0

    assert stored.score().rows == IMAGES
    assert is_as_local(stored)


@pytest.mark.parametrize("workers", [2])
def test_a_run_in_other_processes_waits_for_storage_too(stored: Scans, s3: S3, workers: int) -> None:
    s3.busy = 40

    stored.score(workers=workers)

    assert is_as_local(stored)


def test_an_address_that_leads_nowhere_is_one_clear_line(
    stored: Scans, s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder, words in (
        (f"s3://{BUCKET}/nothing", r"no images to score"),
        ("s3://no-such-bucket/batch", r"cannot be listed: .*bucket.* Look after the address, and the credentials"),
        ("nowhere://bucket/batch", r"cannot be reached: .*nowhere.* Install what fsspec needs for it"),
    ):
        with pytest.raises((PipelineError, NothingToScoreError), match=words):
            batches.prepare(Path(folder), tmp_path / "out", stored.model, SETTINGS)
    forget()
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3")
    with pytest.raises(PipelineError, match=r"Install the extra for it: pip install '\.\[s3\]'"):
        batches.prepare(stored.folder, tmp_path / "out", stored.model, SETTINGS)


def test_an_object_with_the_name_of_a_member_is_the_row_for_both(stored: Scans, scans: Scans, s3: S3, tmp_path: Path) -> None:
    place = tmp_path / "both" / "a.tar"
    place.mkdir(parents=True)
    shutil.copy(scans.folder / "00003.png", place / "x.png")
    s3.put(tmp_path / "both", "batch")
    shutil.rmtree(place)
    place.write_bytes(tarred({"x.png": b"no picture", "y.png": b"no picture"}))
    s3.put(tmp_path / "both", "batch")

    manifest = stored.score()

    assert (manifest.files, manifest.rows, manifest.statuses["error"]) == (IMAGES + 2, IMAGES + 2, 1)
    assert stored.rows()["a.tar/x.png"]["status"] != "error"
    assert stored.score(fresh=True).rows == IMAGES + 2


def test_any_address_of_fsspec_is_read(stored: Scans, scans: Scans) -> None:
    scans.add("sub.png")
    scans.score(out=scans.out.with_name("local"))
    stored.folder, stored.out = Path(f"file://{scans.folder}"), scans.out.with_name("by-address")

    stored.score()
    assert is_as_local(stored)
    scans.add("00001.png")

    assert stored.score().scored == 1


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_picture_in_storage_is_looked_at(stored: Scans, scans: Scans, s3: S3, is_packed: bool) -> None:
    path = b"00003.png"
    if is_packed:
        s3.empty()
        (scans.folder.parent / "archives").mkdir()
        packed = tarred({one.name: one.read_bytes() for one in scans.folder.iterdir()})
        (scans.folder.parent / "archives" / "a.tar").write_bytes(packed)
        s3.put(scans.folder.parent / "archives", "batch")
        path = b"a.tar/00003.png"
    stored.score()

    with kept.opened(stored.out) as answers:
        ((pixels,),) = answers.execute("select pixels from scores.row where path = ?", [path])
        assert pictures.read(answers, path, 1, pixels, SETTINGS).fault == ""
        s3.empty()
        assert pictures.read(answers, path, 1, pixels, SETTINGS).fault == pictures.CHANGED


def test_the_command_and_its_report_take_an_address(champion_project: Project, stored: Scans, s3: S3) -> None:
    out = stored.out.with_name("of-the-command")

    done = champion_project.digits("score", f"s3://{BUCKET}/batch", "--out", str(out), check=True, **s3.environment)

    assert f"{IMAGES} images" in done.stdout
    assert f"s3://{BUCKET}/batch/" in (out / "report.html").read_text(encoding="utf-8")
    with pytest.raises(AssertionError, match="holds the scores of s3://scans/batch"):
        champion_project.digits("score", f"s3://{BUCKET}/other", "--out", str(out), check=True, **s3.environment)
