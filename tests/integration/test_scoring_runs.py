"""Runs of scoring: in other processes that may die, over folders that were scored before, and interrupted."""

import csv
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import atomic, cores, layout
from pipeline.digits.pictures.files import decoding
from pipeline.digits.pictures.files.limits import Limits
from pipeline.errors import PipelineError
from pipeline.scoring import batch as batches
from pipeline.scoring import executors, processes, run
from pipeline.scoring import manifest as manifests
from tests.conftest import DIGITS, Project
from tests.processes import left_of, started_by
from tests.scored import IMAGES, SETTINGS, Scans, interrupt_after, rows_in

# Is imported by every Python that starts with its folder in PYTHONPATH.
STARTUP = "sitecustomize.py"
MEMORY = Path("/dev/shm")  # noqa: S108 - used by way of tempfile


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What this process decodes."""
    seen: list[bytes] = []

    def pages(content: bytes, limits: Limits) -> object:
        seen.append(content)
        return before(content, limits)

    before = decoding.pages
    monkeypatch.setattr(decoding, "pages", pages)
    return seen


@pytest.fixture
def startup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give a function that makes new processes begin with some code."""
    (tmp_path / "startup").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "startup"))

    def begin_with(code: str) -> None:
        (tmp_path / "startup" / STARTUP).write_text(code)

    return begin_with


DYING = """
import os, signal
from pathlib import Path
from pipeline.digits.pictures.files import decoding
before = decoding.pages
def pages(content, limits):
    {when}
    return before(content, limits)
decoding.pages = pages
"""


def test_the_files_are_the_same_for_any_number_of_workers_and_any_size_of_shards(scans: Scans) -> None:
    (scans.folder / "broken.png").write_bytes(b"broken")
    written = set()
    for workers, shard_size in [(None, 500), (None, 1), (None, 7), (1, 7), (2, 7), (3, 2)]:
        out = scans.folder.parent / f"{workers}-{shard_size}"
        settings = SETTINGS.model_copy(update={"shard_size": shard_size})
        manifest = scans.score(out, settings=settings, workers=workers)
        assert manifest.workers == (workers or 0)
        written.add(((out / "scores.csv").read_bytes(), (out / "review.csv").read_bytes()))

    assert len(written) == 1


def test_a_picture_that_ends_its_worker_becomes_an_error_row_and_no_other(scans: Scans, startup: Callable[[str], None]) -> None:
    scans.score()
    undisturbed = scans.rows()
    for name in ("00002a.png", "00020a.png"):
        (scans.folder / name).write_bytes(b"ends it")
    startup(DYING.format(when="if content == b'ends it': os.kill(os.getpid(), signal.SIGSEGV)"))

    scans.score(workers=2, fresh=True)

    errors = {name: row["reason"] for name, row in scans.rows().items() if row["status"] == "error"}
    assert errors == dict.fromkeys(("00002a.png", "00020a.png"), "ends the process that reads it: SIGSEGV")
    assert {name: row for name, row in scans.rows().items() if name not in errors} == undisturbed
    assert {name: line[7] for name, line in scans.shown().items() if line[6] == "error"} == errors
    assert scans.shown().keys() == scans.rows().keys()


def test_a_worker_that_is_killed_costs_no_row(scans: Scans, startup: Callable[[str], None], tmp_path: Path) -> None:
    scans.score()
    undisturbed = scans.rows()
    once = (
        f"if not Path({str(tmp_path / 'done')!r}).exists(): Path({str(tmp_path / 'done')!r}).touch(); os.kill(os.getpid(), 9)"
    )
    startup(DYING.format(when=once))

    scans.score(workers=1, fresh=True)

    assert (tmp_path / "done").exists()
    assert scans.rows() == undisturbed


SLOW_STORAGE = """
import time
from pathlib import Path
from pipeline.scoring import files
before = files._in_folder
def read(*arguments):
    if not Path({flag!r}).exists():
        Path({flag!r}).touch()
        time.sleep(3600)
    return before(*arguments)
files._in_folder = read
"""


def test_a_file_that_storage_does_not_give_in_time_is_asked_for_again_and_is_no_error(
    scans: Scans, startup: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans.score()
    undisturbed = scans.rows()
    startup(SLOW_STORAGE.format(flag=str(tmp_path / "asked")))
    monkeypatch.setattr(processes, "PATIENCE", 2.5)

    scans.score(workers=1, fresh=True, settings=SETTINGS.model_copy(update={"maximum_seconds": 1.0}))

    assert (tmp_path / "asked").exists()
    assert scans.rows() == undisturbed


@pytest.mark.filterwarnings("ignore:resource_tracker:UserWarning")  # it cannot begin either, where it is not there already
def test_workers_that_cannot_begin_are_one_clear_error(scans: Scans, startup: Callable[[str], None]) -> None:
    startup("raise SystemExit(3)")

    with pytest.raises(PipelineError, match=r"a process that scores ends before it begins\. Look with"):
        scans.score(workers=1)


def test_a_report_keeps_the_pictures_of_rows_that_are_not_scored_again(scans: Scans, decoded: list[bytes]) -> None:
    scans.score()
    before = scans.shown()
    decoded.clear()
    scans.add("new.png")
    (scans.folder / "00000.png").unlink()

    scans.score()

    assert len(decoded) == 1
    assert scans.shown().keys() == scans.rows().keys() == (before.keys() - {"00000.png"}) | {"new.png"}
    assert scans.shown()["00001.png"] == before["00001.png"]


@pytest.mark.parametrize("is_gone", [True, False], ids=["deleted", "not asked for"])
def test_a_report_that_is_not_there_is_made_when_it_is_asked_for(scans: Scans, is_gone: bool) -> None:
    scans.score(report=is_gone)
    if is_gone:
        (scans.out / "report.html").unlink()
    assert not (scans.out / "report.html").exists()
    rows = scans.rows()

    scans.score()

    assert scans.shown().keys() == scans.rows().keys()
    assert scans.rows() == rows


def test_the_report_of_an_interrupted_run_lacks_no_row(scans: Scans) -> None:
    with pytest.raises(KeyboardInterrupt):
        scans.score(tell=interrupt_after(2))
    with pytest.raises(KeyboardInterrupt):  # whose parts have no pictures
        scans.score(tell=interrupt_after(3), report=False)

    scans.score(workers=2)

    assert scans.shown().keys() == scans.rows().keys()


def test_a_report_shows_every_picture_as_it_is_now(scans: Scans) -> None:
    scans.score()
    before = scans.shown()
    shutil.copyfile(scans.folder / "00003.png", scans.folder / "00025.png")
    with pytest.raises(KeyboardInterrupt):  # it has scored the one that changed
        scans.score(tell=interrupt_after(1))
    scans.add("new.png")

    scans.score()

    assert scans.shown().keys() == scans.rows().keys()
    assert scans.shown()["00025.png"][8:] == before["00003.png"][8:] != before["00025.png"][8:]


@pytest.mark.parametrize("kilobytes", [76, 110], ids=["of the pictures", "of the page"])
def test_without_room_for_the_report_the_scores_stand_and_say_so(scans: Scans, kilobytes: int) -> None:
    scans.score(report=False)
    rows = scans.rows()
    shutil.rmtree(scans.out)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * kilobytes, unlimited[1]))
    try:
        manifest = scans.score()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)

    assert scans.rows() == rows
    assert not (scans.out / "report.html").exists()
    assert str(scans.out / "report.html") in manifest.report_fault
    assert (read := manifests.read(scans.out))
    assert read.report_fault == manifest.report_fault
    assert not list(scans.out.glob(".*.tmp"))
    assert scans.score().report_fault == ""
    assert scans.shown().keys() == scans.rows().keys()


def test_a_glance_tells_whether_workers_will_be_needed(tmp_path: Path) -> None:
    for number in range(executors.FEW + 1):
        (tmp_path / f"{number}.png").touch()
    (tmp_path / "scored").mkdir()
    (tmp_path / "scored/manifest.json").touch()

    assert executors.foreseen(tmp_path, tmp_path / "new", None) == cores.usable()
    assert executors.foreseen(tmp_path, tmp_path / "new", 1) == 1
    assert executors.foreseen(tmp_path, tmp_path / "scored", None) == 1
    assert executors.foreseen(tmp_path / "scored", tmp_path / "new", None) == 0
    assert executors.foreseen(tmp_path / "0.png", tmp_path / "new", None) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_few_pictures_are_scored_by_a_worker_where_one_was_started(scans: Scans, count: int) -> None:
    with executors.early(count) as early:
        batch = batches.prepare(scans.folder, scans.out, scans.model, SETTINGS)
        manifest = run.score(batch, scans.model, lambda _: None, early)

    assert (manifest.workers, manifest.rows) == (count, IMAGES)


def test_workers_run_the_code_that_started_them(scans: Scans, tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/__init__.py").write_text("raise SystemExit('another project')")

    assert scans.score(workers=1).rows == IMAGES


def test_an_error_in_a_worker_is_raised_with_its_traceback(scans: Scans, startup: Callable[[str], None]) -> None:
    startup("from pipeline.digits.network import second_look\nsecond_look.look_again = None\n")

    with pytest.raises(TypeError, match="'NoneType' object is not callable") as raised:
        scans.score(workers=2)

    assert "in read_fields" in str(raised.value.__cause__)


def test_only_new_and_changed_pictures_are_decoded_and_rows_of_removed_ones_go(scans: Scans, decoded: list[bytes]) -> None:
    scans.add("new\nline.png", "'.png", "zz.png")
    scans.score()
    decoded.clear()
    scans.add("00000a.png", 'a,"b"\n.png', "z.png")
    scans.add("00005.png")
    for gone in ("00001.png", "zz.png", "00029.png"):
        (scans.folder / gone).unlink()

    manifest = scans.score()

    assert (len(decoded), manifest.scored, manifest.reused, manifest.rows) == (4, 4, 29, 33)
    scans.score(scans.folder.parent / "anew")
    for name in ("scores.csv", "review.csv"):
        assert (scans.out / name).read_bytes() == (scans.folder.parent / "anew" / name).read_bytes()


def test_rows_that_are_kept_are_those_of_the_last_run(scans: Scans) -> None:
    scans.score()
    with closing(sqlite3.connect(scans.out / "scores.db")) as store, store:
        store.execute("update row set line = replace(line, ',v1.0.0', ',from the last run')")
    scans.add("new.png")

    scans.score()

    models = {name: row["model"] for name, row in scans.rows().items()}
    assert models.pop("new.png") == "v1.0.0"
    assert set(models.values()) == {"from the last run"}


@pytest.mark.parametrize("change", ["champion", "confidence", "digits", "probabilities", "fresh"])
def test_a_change_that_matters_scores_everything_again(scans: Scans, decoded: list[bytes], change: str) -> None:
    scans.score()
    decoded.clear()
    settings = SETTINGS
    if change == "champion":
        scans.model = replace(scans.model, version="v1.1.0")
    elif change == "confidence":
        settings = SETTINGS.model_copy(update={"minimum_confidence": 0.5})
    options: dict[str, dict[str, Any]] = {
        "digits": {"digits": (0, 1)},
        "probabilities": {"probabilities": True},
        "fresh": {"fresh": True},
    }

    manifest = scans.score(settings=settings, **options.get(change, {}))

    assert (len(decoded), manifest.reused) == (IMAGES, 0)


@pytest.mark.parametrize("workers", [None, 2])
def test_an_interrupted_run_goes_on_where_it_stopped(scans: Scans, workers: int | None) -> None:
    with pytest.raises(KeyboardInterrupt):
        scans.score(tell=interrupt_after(2), workers=workers)
    assert not (scans.out / "scores.csv").exists()
    kept = rows_in(scans.out)

    manifest = scans.score(workers=workers)

    assert manifest.resumed == kept > 0
    assert manifest.scored == IMAGES - manifest.resumed
    scans.score(scans.folder.parent / "undisturbed")
    assert (scans.out / "scores.csv").read_bytes() == (scans.folder.parent / "undisturbed" / "scores.csv").read_bytes()


def test_what_ended_this_process_is_tried_in_another(scans: Scans) -> None:
    with pytest.raises(KeyboardInterrupt):
        scans.score(tell=interrupt_after(1))

    assert scans.score().workers > 0


def test_rows_of_an_interrupted_run_hold_when_the_folder_changes(scans: Scans, decoded: list[bytes]) -> None:
    scans.score()
    scans.add("a.png", "b.png", "c.png", "d.png", "e.png", "f.png", "g.png", "h.png", "i.png")
    with pytest.raises(KeyboardInterrupt):
        scans.score(tell=interrupt_after(1))
    scans.add("j.png")
    decoded.clear()

    manifest = scans.score()

    assert (len(decoded), manifest.scored, manifest.reused) == (3, 3, IMAGES + 7)
    scans.score(scans.folder.parent / "anew")
    assert (scans.out / "scores.csv").read_bytes() == (scans.folder.parent / "anew" / "scores.csv").read_bytes()


def test_what_a_killed_run_was_writing_is_removed(scans: Scans) -> None:
    scans.score()
    whole = sorted(path.name for path in scans.out.iterdir())
    for name in (".scores.csv.7.tmp", "..listing.7.tmp", ".review.csv.7.tmp"):
        (scans.out / name).write_text("half of i")
    (scans.out / "..parts-1-2.7.tmp").mkdir()
    (scans.out / ".parts-another-method").mkdir()
    (scans.out / "notes.tmp").touch()
    scans.add("new.png")

    scans.score()

    assert sorted(path.name for path in scans.out.iterdir()) == sorted([*whole, "notes.tmp"])


def test_a_fresh_run_that_was_interrupted_goes_on_too(scans: Scans) -> None:
    scans.score()
    with pytest.raises(KeyboardInterrupt):
        scans.score(tell=interrupt_after(2), fresh=True)

    manifest = scans.score(fresh=True)

    assert (manifest.scored, manifest.resumed, manifest.reused) == (IMAGES - 14, 14, 0)


def test_a_file_that_is_replaced_while_the_run_goes_on_is_read_again_by_the_next(scans: Scans) -> None:
    def replace_the_last(progress: run.Progress) -> None:
        if progress.done == 7:
            shutil.copyfile(scans.folder / "00003.png", scans.folder / "00029.png")
            (scans.folder / "00028.png").unlink()

    scans.score(tell=replace_the_last)
    assert scans.rows()["00028.png"]["reason"] == "cannot be read: No such file or directory"

    manifest = scans.score()

    assert (manifest.scored, manifest.reused) == (1, IMAGES - 2)
    assert scans.rows()["00029.png"]["label"] == scans.rows()["00003.png"]["label"]


def test_a_csv_that_somebody_changed_is_kept_beside_and_no_row_of_it_is_taken(scans: Scans) -> None:
    scans.score()
    for number in range(2):
        edited = (scans.out / "scores.csv").read_text().replace(",ok,", f",seen {number},")
        (scans.out / "scores.csv").write_text(edited)
        scans.add(f"new{number}.png")

        manifest = scans.score()

        assert manifest.edited == ["scores.edited.csv", "scores.edited1.csv"][number]
        assert (scans.out / manifest.edited).read_text() == edited
        assert manifest.reused == IMAGES + number
        assert "seen" not in (scans.out / "scores.csv").read_text()


@pytest.mark.parametrize("missing", ["scores.csv", "review.csv", "manifest.json"])
def test_a_file_that_is_gone_is_written_anew_and_nothing_scored_again(scans: Scans, missing: str) -> None:
    scans.score()
    before = (scans.out / "scores.csv").read_bytes()
    (scans.out / missing).unlink()

    manifest = scans.score()

    assert (manifest.reused, manifest.scored) == (IMAGES, 0)
    assert (scans.out / missing).exists()
    assert (scans.out / "scores.csv").read_bytes() == before


def test_review_csv_holds_the_doubtful_rows_least_confident_first(scans: Scans) -> None:
    manifest = scans.score(settings=SETTINGS.model_copy(update={"minimum_confidence": 0.9999}))

    with (scans.out / "review.csv").open(encoding="utf-8", newline="") as file:
        review = list(csv.DictReader(file))
    assert len(review) == manifest.statuses["review"] > 1
    assert review == sorted(review, key=lambda row: float(row["confidence"]))
    assert all(scans.rows()[row["file"]] == row for row in review)


def test_the_manifest_counts_reasons(scans: Scans) -> None:
    (scans.folder / "empty.png").touch()

    manifest = scans.score(settings=SETTINGS.model_copy(update={"minimum_confidence": 1.0}))

    assert manifest.reasons["empty file"] == manifest.statuses["error"] == 1
    assert sum(manifest.reasons.values()) == manifest.statuses["error"] + manifest.statuses["review"]
    assert manifest.settings["minimum_confidence"] == 1.0


def test_digits_that_cannot_occur_get_no_probability(scans: Scans) -> None:
    scans.score(digits=tuple(range(6)), probabilities=True)

    shares = [[float(row[f"p{digit}"]) for digit in range(10)] for row in scans.rows().values()]
    assert all(sum(row) == pytest.approx(1, abs=0.001) and row[6:] == [0] * 4 for row in shares)
    assert {row["label"] for row in scans.rows().values()} <= set("012345")
    assert {row["second_label"] for row in scans.rows().values()} <= set("012345")


def test_a_text_file_names_the_pictures(scans: Scans, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    names = [
        "batch/00001.png",
        "batch/00000.png",
        "",
        str(tmp_path / "batch/00002.png"),
        "batch/00001.png",
        "gone.png",
        "pipe.png",
    ]
    (tmp_path / "list.txt").write_bytes("\r\n".join([*names, "batch"]).encode())
    scans.folder = Path("list.txt")

    manifest = scans.score()

    statuses = {name: (row["status"], row["reason"]) for name, row in scans.rows().items()}
    assert list(statuses) == sorted({name for name in names if name} | {"batch"})
    assert statuses["gone.png"] == ("error", "cannot be read: No such file or directory")
    assert statuses["batch"] == statuses["pipe.png"] == ("error", "not a file")
    assert manifest.statuses["error"] == 3
    assert manifest.folder == "list.txt"


@pytest.mark.parametrize("name", ["batch/", "./batch", "../{parent}/batch", "link"])
def test_a_folder_is_the_same_by_any_of_its_names(scans: Scans, tmp_path: Path, name: str) -> None:
    scans.score()
    (tmp_path / "link").symlink_to("batch")
    scans.folder = Path(name.format(parent=tmp_path.name))

    batch = batches.prepare(scans.folder, scans.out, scans.model, SETTINGS)

    assert batch.finished


def test_the_working_folder_can_be_scored(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scans.folder)
    scans.folder = Path()

    assert scans.score(workers=1).rows == IMAGES
    assert layout.scores_of(Path()) == Path("data/scores/batch")
    assert layout.scores_of(Path("/")) == Path("data/scores/root")


@pytest.mark.skipif(not MEMORY.is_mount(), reason="needs a second file system, as Linux has at /dev/shm")
def test_the_output_may_lie_on_another_file_system(scans: Scans) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as elsewhere:
        assert scans.score(Path(elsewhere) / "scores").rows == IMAGES


def test_a_folder_that_cannot_be_written_to_is_scored(scans: Scans) -> None:
    before = sorted(scans.folder.iterdir())
    scans.folder.chmod(0o555)
    try:
        assert scans.score(workers=1).rows == IMAGES
    finally:
        scans.folder.chmod(0o755)
    assert sorted(scans.folder.iterdir()) == before


def nested_pdf(forms: int) -> bytes:
    """Write a PDF whose page draws a form, which draws the next four times, and so on: the last is drawn 4 ** forms times."""
    box = b"/Subtype/Form/BBox[0 0 200 200]/Resources"
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>"]
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</XObject<</F 5 0 R>>>>>>"
    objects += [page, b"<</Length 4>>stream\n/F Do\nendstream".replace(b"4>>", b"5>>")]
    for number in range(forms):
        inner = b"<</XObject<</F %d 0 R>>>>" % (6 + number)
        objects.append(b"<</Type/XObject%b%b/Length 23>>stream\n%b\nendstream" % (box, inner, b" ".join([b"/F Do"] * 4)))
    objects.append(b"<</Type/XObject%b<<>>/Length 12>>stream\n0 0 9 9 re f\nendstream" % box)
    content, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj%b\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(content))
    return content + head + table + end


IMPATIENT = SETTINGS.model_copy(update={"maximum_seconds": 1.0, "shard_size": 500})
TOO_SLOW = "takes longer than 1 s (score.maximum_seconds)"


@pytest.mark.parametrize("forms", [4, 25])
def test_a_document_that_never_ends_is_an_error_row_and_the_others_are_scored(scans: Scans, forms: int) -> None:
    scans.score()
    undisturbed = scans.rows()
    (scans.folder / "00015.pdf").write_bytes(nested_pdf(forms))

    manifest = scans.score(settings=IMPATIENT)

    row = scans.rows().pop("00015.pdf")
    assert (row["status"], row["page"]) == ("error" if forms == 25 else "review", "1")
    assert (row["reason"] == TOO_SLOW) == (forms == 25)
    assert {name: row for name, row in scans.rows().items() if name != "00015.pdf"} == undisturbed
    assert manifest.workers == 1
    assert scans.score(settings=IMPATIENT).fingerprint == manifest.fingerprint


def test_what_can_hang_is_not_read_in_the_process_that_people_wait_for(scans: Scans, decoded: list[bytes]) -> None:
    Image.new("L", (50, 50)).save(scans.folder / "00010a.png", format="TIFF")  # whatever its name is

    assert scans.score().workers == 1
    assert {content[:4] for content in decoded} == {b"\x89PNG"}


SLEEPING = """
import time
from pipeline.digits.pictures.files import decoding
before = decoding.pages
def pages(content, limits):
    if content == b'sleeps':
        yield from before({first!r}, limits)
        time.sleep(600)
    yield from before(content, limits)
decoding.pages = pages
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_decoder_that_sleeps_costs_the_page_at_which_it_does(
    scans: Scans, startup: Callable[[str], None], workers: int
) -> None:
    scans.score()
    undisturbed = scans.rows()
    for name in ("00000a.png", "00020a.png", "zz.png"):
        (scans.folder / name).write_bytes(b"sleeps")
    startup(SLEEPING.format(first=(scans.folder / "00003.png").read_bytes()))

    scans.score(settings=IMPATIENT, workers=workers, fresh=True)

    with (scans.out / "scores.csv").open(encoding="utf-8", newline="") as file:
        slow = [row for row in csv.DictReader(file) if row["file"] not in undisturbed]
    assert [(row["file"], row["page"]) for row in slow] == [
        (name, page) for name in ("00000a.png", "00020a.png", "zz.png") for page in "12"
    ]
    assert [(row["label"], row["reason"] == TOO_SLOW) for row in slow] == [
        (undisturbed["00003.png"]["label"], False),
        ("", True),
    ] * 3
    assert {name: row for name, row in scans.rows().items() if name in undisturbed} == undisturbed


def test_a_process_that_somebody_stops_costs_no_row(scans: Scans, startup: Callable[[str], None], tmp_path: Path) -> None:
    scans.score()
    undisturbed = scans.rows()
    done = f"Path({str(tmp_path / 'done')!r})"
    startup(DYING.format(when=f"if not {done}.exists(): {done}.touch(); os.kill(os.getpid(), signal.SIGSTOP)"))

    scans.score(settings=IMPATIENT, workers=1, fresh=True)

    assert (tmp_path / "done").exists()
    assert scans.rows() == undisturbed


def test_a_folder_that_an_earlier_version_scored_is_scored_again_and_said_so(scans: Scans) -> None:
    before = scans.score()
    rows = scans.rows()
    for name in ("scores.db", "report.html"):
        (scans.out / name).unlink()
    (scans.out / ".parts-1-2").mkdir()
    for name in (".source", ".listing"):
        (scans.out / name).write_text("batch")
    batch = batches.prepare(scans.folder, scans.out, scans.model, SETTINGS)

    manifest = run.score(batch, scans.model, lambda _: None)

    assert (
        "scores.db was not there, as after an earlier version of this program: every file was scored again" in batch.store_words
    )
    assert (manifest.scored, manifest.reused, manifest.statuses) == (IMAGES, 0, before.statuses)
    assert scans.rows() == rows
    assert not [path.name for path in scans.out.iterdir() if path.name.startswith(".") and path.name != ".lock"]
    assert not batches.prepare(scans.folder, scans.out, scans.model, SETTINGS).store_words


def damage(store: Path, how: str) -> None:
    content = store.read_bytes()
    if how == "deleted":
        store.unlink()
    elif how == "another program's":
        store.write_bytes(b"no database, but long enough to be one" * 300)
    elif how == "cut":
        store.write_bytes(content[: len(content) // 2])
    elif how == "newer":
        with closing(sqlite3.connect(store)) as connection:
            connection.execute("pragma user_version = 99")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "It is damaged. Delete it, and every file is scored again"),
        ("another program's", "It is damaged. Delete it, and every file is scored again"),
        ("newer", "made by another version of this program, with schema 99 in place of 3"),
        ("deleted", ""),
    ],
)
def test_a_store_that_cannot_be_read_is_one_clear_line_and_leaves_the_scores(scans: Scans, how: str, words: str) -> None:
    scans.score()
    before = (scans.out / "scores.csv").read_bytes()
    damage(scans.out / "scores.db", how)
    scans.add("new.png")

    if words:
        with pytest.raises(PipelineError, match=f"scores.db: .*{words}") as raised:
            scans.score()
        assert "\n" not in str(raised.value)
        assert (scans.out / "scores.csv").read_bytes() == before
        (scans.out / "scores.db").unlink()
    assert scans.score().scored == IMAGES + 1
    assert "new.png" in scans.rows()


def test_a_store_that_another_program_holds_is_one_clear_line(scans: Scans) -> None:
    scans.score()
    scans.add("new.png")

    with closing(sqlite3.connect(scans.out / "scores.db")) as other:
        other.execute("begin exclusive")
        with pytest.raises(PipelineError, match=r"scores\.db: database is locked\. Another program holds it"):
            scans.score()

    assert scans.score().scored == 1


@pytest.mark.parametrize("at", ["review.csv", "report.html", "manifest.json"])
def test_a_run_that_is_killed_in_the_midst_of_its_end_loses_nothing(
    scans: Scans, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    scans.score()
    before = (scans.out / "scores.csv").read_bytes()
    scans.add("new.png")
    batch = batches.prepare(scans.folder, scans.out, scans.model, SETTINGS)

    def kill(path: Path) -> None:
        if path.name.startswith(f".{at}"):
            os.kill(os.getpid(), signal.SIGKILL)

    if not (child := os.fork()):
        monkeypatch.setattr(atomic, "_flush", kill)
        run.score(batch, scans.model, lambda _: None)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.WTERMSIG(status) == signal.SIGKILL
    assert at != "review.csv" or (scans.out / "scores.csv").read_bytes() == before
    manifest = scans.score()
    assert (manifest.scored, manifest.resumed, manifest.reused) == (0, 1, IMAGES)
    scans.score(scans.folder.parent / "anew")
    assert (scans.out / "scores.csv").read_bytes() == (scans.folder.parent / "anew" / "scores.csv").read_bytes()
    assert not list(scans.out.glob(".*.tmp"))


@pytest.fixture
def running(scans: Scans, champion_project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[str]"]:
    """The command, in the middle of some thousand pictures, with two workers, as a terminal starts it."""
    for number in range(3000):
        scans.add(f"more-{number:04d}.png")
    monkeypatch.chdir(champion_project.root)
    command = [*DIGITS, "score", str(scans.folder), "--out", str(scans.out), "--workers", "2"]
    with subprocess.Popen(
        command,
        cwd=champion_project.root,
        env=champion_project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while not rows_in(scans.out):
            assert process.poll() is None, "it ended before it could be stopped"
            time.sleep(0.002)
        yield process


def test_no_worker_outlives_a_run_that_is_killed(running: "subprocess.Popen[str]", scans: Scans) -> None:
    workers = started_by(running.pid)

    running.kill()
    running.wait()

    assert len(workers) >= 2
    assert left_of(running.pid, workers) == set()
    assert not (scans.out / "scores.csv").exists()
    settings = SETTINGS.model_copy(update={"shard_size": 500})
    manifest = scans.score(settings=settings)
    assert manifest.resumed > 0
    scans.score(scans.folder.parent / "undisturbed")
    assert (scans.out / "scores.csv").read_bytes() == (scans.folder.parent / "undisturbed" / "scores.csv").read_bytes()


def test_ctrl_c_ends_at_once_and_says_how_to_go_on(running: "subprocess.Popen[str]", scans: Scans) -> None:
    os.killpg(running.pid, signal.SIGINT)

    _, errors = running.communicate(timeout=10)

    assert running.returncode == 130
    assert errors == "Stopped. The same command goes on from here.\n"
    assert left_of(running.pid) == set()
    assert not (scans.out / "scores.csv").exists()
