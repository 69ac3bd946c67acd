"""A person's look at a batch, without a browser: what comes next, what is kept, what is promised, exported and learned."""

import csv
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import console, params
from pipeline.datasets import own
from pipeline.errors import PipelineError
from pipeline.labelled import choosing
from pipeline.registry import contents
from pipeline.registry.contents import ScoringModel
from pipeline.review import answers as kept
from pipeline.review import exporting, learning, pictures, sample, summary
from pipeline.review.answers import AGAIN, FIRST, SECOND, THIRD, TakenError
from pipeline.review.queue import OTHERS_BETWEEN, Item, Mode
from pipeline.review.session import GoneError, Session
from pipeline.scoring import manifest as manifests
from pipeline.scoring.database import NAME as STORE
from tests.conftest import Project, copy_project, full_disk
from tests.reviewed import OUT, SETTINGS, copied, score, working_in

IMAGES = 40
OPEN, BLIND, AFTER = Mode(), Mode(is_blind=True), Mode(is_second=True)
Sitting = Callable[..., Session]


@pytest.fixture(scope="module")
def scored(registered_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a batch of pictures and a document of three pages that was scored."""
    project = copy_project(registered_project, tmp_path_factory.mktemp("review"))
    folder = project.root / "data/inbox/batch"
    project.sample(folder, IMAGES)
    first, *others = (Image.open(folder / f"{number:05}.png").rotate(90) for number in range(3))
    first.save(folder / "pages.tif", save_all=True, append_images=others)
    with working_in(project.root):
        score(OUT, contents.load("champion"))
    return project


@pytest.fixture(scope="module")
def champion(scored: Project) -> ScoringModel:
    with working_in(scored.root):
        return contents.load("champion")


@pytest.fixture
def out(scored: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scores of the batch, to look at and to spoil, in a working folder with what they are made from."""
    copied(scored.root, tmp_path)
    monkeypatch.chdir(tmp_path)
    return OUT


@pytest.fixture
def sitting(out: Path) -> Sitting:
    def sit(mode: Mode = OPEN, reader: str = "ada") -> Session:
        return Session(out, reader, mode, SETTINGS)

    return sit


def item(session: Session) -> Item:
    ((found, _),) = session.next(1)
    return found


def key(session: Session, value: str | None = None, count: int = 1) -> list[Item]:
    """Key what comes next as it was read, or as told."""
    keyed = []
    for _ in range(count):
        one = item(session)
        session.answer(one.picture, one.look, value or one.label or "none", 1.5, os.urandom(8).hex())
        keyed.append(one)
    return keyed


def other_than(one: Item) -> str:
    return "1" if one.label != "1" else "2"


def all_of(session: Session) -> list[Item]:
    """Give everything that waits."""
    return [found for found, _ in session.next(1000)]


def values(out: Path) -> list[str]:
    with kept.opened(out) as answers:
        return [value for (value,) in answers.execute("select value from answer where not is_undone order by number")]


def test_doubtful_rows_come_once_each_and_the_least_confident_first(sitting: Sitting) -> None:
    found = all_of(sitting())

    assert len(found) == len({one.picture for one in found}) == IMAGES + 3
    confidences = [one.confidence or 0 for one in found]
    assert confidences == sorted(confidences)
    assert all(one.look == FIRST and one.reason for one in found)


def test_a_picture_is_shown_as_it_is_beside_what_the_network_saw(sitting: Sitting) -> None:
    ((one, seen), *_) = sitting().next(100)

    assert seen.original.startswith(b"\x89PNG")
    assert len(seen.field) == 28 * 28
    assert not seen.fault
    assert Path("data/inbox/batch", os.fsdecode(one.path)).exists()


def test_what_was_keyed_is_not_asked_again_also_by_another_page_on_another_day(sitting: Sitting, out: Path) -> None:
    first = sitting()
    keyed = key(first, count=5)

    later = sitting()

    assert not {one.picture for one in keyed} & {one.picture for one in all_of(later)}
    assert (later.state().done, later.state().total) == (5, IMAGES + 3)
    assert later.state().each == 1.5
    assert len(values(out)) == 5


def test_an_answer_is_flushed_to_the_disk_before_it_counts(out: Path) -> None:
    with kept.opened(out) as answers:
        assert answers.execute("pragma main.synchronous").fetchone() == (2,)  # full
        assert answers.execute("pragma main.journal_mode").fetchone() == ("delete",)


def test_scores_csv_stays_as_it_is(sitting: Sitting, out: Path) -> None:
    before = (out / "scores.csv").read_bytes(), (out / "scores.db").read_bytes()
    key(sitting(), "3", count=4)
    summary.publish(out)
    exporting.write_csv(out)

    assert ((out / "scores.csv").read_bytes(), (out / "scores.db").read_bytes()) == before


def test_an_answer_that_comes_twice_is_kept_once(sitting: Sitting, out: Path) -> None:
    session = sitting()
    one = item(session)
    for _ in range(2):
        session.answer(one.picture, one.look, "4", 1.0, "the same token, sent again")

    assert values(out) == ["4"]


def test_who_comes_second_to_a_picture_in_another_window_is_told_and_nothing_is_doubled(sitting: Sitting, out: Path) -> None:
    one_window, other_window = sitting(), sitting(reader="bob")
    one = item(other_window)
    assert item(one_window) == one
    one_window.answer(one.picture, FIRST, "4", 1.0, "a" * 16)

    with pytest.raises(TakenError, match=r"ada keyed 4 for this picture at .*: 7 was not kept"):
        other_window.answer(one.picture, FIRST, "7", 1.0, "b" * 16)

    assert values(out) == ["4"]
    assert item(other_window).picture != one.picture


def test_undo_takes_back_the_last_answers_one_after_another_and_their_pictures_come_again(sitting: Sitting, out: Path) -> None:
    session = sitting()
    first, second = key(session, count=2)

    assert [undone[0].picture for undone in (session.undo(), session.undo()) if undone] == [second.picture, first.picture]
    assert session.undo() is None
    assert item(session) == first
    key(session, "8")
    assert values(out) == ["8"]


def test_undo_takes_back_nobody_elses_answer(sitting: Sitting) -> None:
    key(sitting())

    assert sitting(reader="bob").undo() is None


def test_a_picture_that_is_put_off_comes_after_some_others_or_at_the_end(sitting: Sitting) -> None:
    session = sitting()
    one = item(session)
    session.skip(one.picture)

    assert one.picture not in {item(session).picture for _ in range(3)}
    assert all_of(session)[-1] == one
    key(session, count=OTHERS_BETWEEN)
    assert item(session) == one


def test_an_answer_for_what_was_never_shown_is_refused(sitting: Sitting, out: Path) -> None:
    session = sitting()
    with pytest.raises(GoneError):
        session.answer(12345, FIRST, "1", 1.0, "c" * 16)
    one = item(session)
    with pytest.raises(GoneError):
        session.answer(one.picture, THIRD, "1", 1.0, "c" * 16)

    assert values(out) == []


def test_time_away_from_the_page_counts_for_a_minute_at_most(sitting: Sitting, out: Path) -> None:
    session = sitting()
    one = item(session)
    session.answer(one.picture, FIRST, "1", 4000.0, "d" * 16)

    with kept.opened(out) as answers:
        assert summary.of_batch(answers).seconds == 60


def test_blind_what_agrees_is_done_and_what_differs_comes_again_once_with_both(sitting: Sitting, out: Path) -> None:
    session = sitting(BLIND)
    one = item(session)
    assert session.hides(one)
    assert session.answer(one.picture, FIRST, other_than(one), 1.0, "e" * 16) == "differs"
    agreed = item(session)
    assert session.answer(agreed.picture, FIRST, agreed.label or "none", 1.0, "f" * 16) == "agrees"
    between = key(session, count=OTHERS_BETWEEN - 1)
    assert one.picture not in {found.picture for found in between}

    again = item(session)

    assert (again.picture, again.look, again.others) == (one.picture, AGAIN, (("ada", other_than(one)),))
    assert not session.hides(again)
    assert session.answer(again.picture, AGAIN, again.label or "none", 1.0, "0" * 16) == ""
    assert one.picture not in {found.picture for found in all_of(session)}
    with kept.opened(out) as answers:
        assert answers.execute("select value, waits from keyed where picture = ?", [one.picture]).fetchone() == (
            one.label,
            None,
        )


def test_no_digit_is_what_the_model_says_of_a_blank_picture(sitting: Sitting, out: Path, champion: ScoringModel) -> None:
    Image.new("L", (40, 40), 250).save(Path("data/inbox/batch/blank.png"))
    score(out, champion)
    session = sitting(BLIND)
    (blank,) = (one for one in all_of(session) if one.label is None)

    assert session.answer(blank.picture, FIRST, "none", 1.0, "a" * 16) == "agrees"

    assert blank.picture not in {one.picture for one in all_of(session)}
    with kept.opened(out) as answers:
        found = summary.of_batch(answers)
    assert (found.keyed, found.otherwise, found.no_digit, found.waiting) == (1, 0, 1, 0)


def test_a_difference_comes_at_the_end_where_no_others_are_left(sitting: Sitting) -> None:
    session = sitting(BLIND)
    while item(session).look == FIRST:
        one = item(session)
        key(session, other_than(one) if len(all_of(session)) == 1 else None)

    assert item(session).picture == one.picture


def test_a_second_reader_keys_blind_what_the_first_keyed_and_differences_come_a_third_time(sitting: Sitting, out: Path) -> None:
    keyed = key(sitting(), count=8)
    second = sitting(AFTER, "bob")
    assert [one.picture for one in all_of(second)] == [one.picture for one in keyed]
    assert all(one.look == SECOND and second.hides(one) and not one.others for one in all_of(second))
    first, *_ = key(second, other_than(keyed[0]))
    key(second, count=7)

    (third,) = all_of(second)

    assert (third.picture, third.look) == (first.picture, THIRD)
    assert third.others == (("ada", first.label), ("bob", other_than(first)))
    with kept.opened(out) as answers:
        assert answers.execute("select value from keyed where picture = ?", [first.picture]).fetchone() == (None,)
        found = kept.agreement(answers)
    assert found is not None
    assert found[:2] == (8, 7)
    assert 0.7 < found.kappa < 1
    key(second, "5")
    assert all_of(second) == []
    with kept.opened(out) as answers:
        assert answers.execute("select value from keyed where picture = ?", [first.picture]).fetchone() == ("5",)


def test_a_second_reader_sees_nothing_that_waits_for_the_first_nor_what_they_keyed_themselves(sitting: Sitting) -> None:
    first = sitting(BLIND)
    one = item(first)
    key(first, other_than(one))
    settled = key(first, count=3)

    assert [found.picture for found in all_of(sitting(AFTER, "bob"))] == [found.picture for found in settled]
    assert all_of(sitting(AFTER, "ada")) == []


def test_kappa_is_what_scikit_learn_says(sitting: Sitting, out: Path) -> None:
    from sklearn.metrics import cohen_kappa_score

    random = np.random.default_rng(0)
    first = [key(sitting(), str(random.integers(3)))[0] for _ in range(30)]
    second = sitting(AFTER, "bob")
    for _ in first:
        key(second, str(random.integers(3)))

    with kept.opened(out) as answers:
        pairs = answers.execute("select own, other from keyed where other is not null").fetchall()
        found = kept.agreement(answers)
    assert found is not None
    assert found.kappa == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))


def test_a_second_reader_has_nothing_to_do_where_nobody_keyed(sitting: Sitting) -> None:
    with pytest.raises(PipelineError, match=r"bob would key what another keyed, and nobody did\. First: `digits review batch"):
        sitting(AFTER, "bob").require_work()


def test_the_sample_is_drawn_from_all_rows_always_in_the_same_order_and_keyed_blind(sitting: Sitting, out: Path) -> None:
    certifying = Mode(error=0.1, sure=0.95)
    session = sitting(certifying)
    with kept.opened(out) as answers:
        drawn = sample.draw(answers)
        assert sample.draw(answers) == drawn
    assert len(drawn.rows) == IMAGES + 3
    assert list(drawn.confidences) != sorted(drawn.confidences)
    assert [one.picture for one in all_of(session)] == list(drawn.pictures)
    assert session.hides(item(session))

    key(session, count=6)

    assert [one.picture for one in all_of(sitting(certifying))] == list(drawn.pictures[6:])
    promise = session.state().promise
    assert promise is not None
    assert promise.keyed == 6


def test_all_keyed_right_promises_all_and_what_is_read_otherwise_is_counted(sitting: Sitting) -> None:
    session = sitting(Mode(error=0.1, sure=0.95))
    while any(one.look == FIRST for one in all_of(session)):
        key(session)

    promise = session.state().promise

    assert promise is not None
    assert promise.rows == promise.total == IMAGES + 3
    assert promise.more is None
    assert all_of(session) == []
    assert promise.keyed < IMAGES + 3  # keying the rest would promise nothing more
    assert "43 are certified: at most 10 % wrong, 95 % sure, by" in summary.promise_words(promise)


def test_a_row_that_was_keyed_with_the_guess_in_sight_is_keyed_again_blind_for_a_promise(sitting: Sitting, out: Path) -> None:
    open_ones = {one.picture for one in key(sitting(), count=IMAGES)}
    session = sitting(Mode(error=0.1, sure=0.95))

    found = all_of(session)

    assert {one.picture for one in found if one.look == SECOND} == open_ones
    assert len(found) == IMAGES + 3
    key(session, count=8)
    promise = session.state().promise
    assert promise is not None
    assert promise.keyed == 8
    with kept.opened(out) as answers:
        assert kept.agreement(answers) is None  # of one person with themselves


def test_a_difference_stops_the_promise_until_it_is_settled(sitting: Sitting) -> None:
    session = sitting(Mode(error=0.1, sure=0.95))
    key(session, count=3)
    one = item(session)
    key(session, other_than(one))
    key(session, count=4)

    promise = session.state().promise
    assert promise is not None
    assert promise.keyed == 3


def test_answers_stay_with_their_pictures_when_the_batch_is_scored_again_and_when_a_file_gets_another_name(
    sitting: Sitting, out: Path, champion: ScoringModel
) -> None:
    session = sitting()
    keyed = key(session, count=4)
    shown = item(session)
    folder = Path("data/inbox/batch")
    (folder / os.fsdecode(keyed[0].path)).rename(folder / "another name.png")
    score(out, champion, fresh=True)

    session.answer(shown.picture, FIRST, "6", 1.0, "a" * 16)  # the page was open meanwhile

    assert not {one.picture for one in [*keyed, shown]} & {one.picture for one in all_of(sitting())}
    with kept.opened(out) as answers:
        found = summary.of_batch(answers)
    assert (found.keyed, found.doubtful) == (5, IMAGES + 3)


def test_of_a_picture_that_changed_or_went_away_the_copy_of_scoring_is_shown_and_said(sitting: Sitting) -> None:
    first, second = all_of(sitting())[:2]
    folder = Path("data/inbox/batch")
    (folder / os.fsdecode(first.path)).unlink()
    Image.new("L", (40, 40)).save(folder / os.fsdecode(second.path))

    found = sitting().next(3)

    assert [seen.fault for _, seen in found] == [pictures.CHANGED, pictures.CHANGED, ""]
    assert all(seen.original and len(seen.field) == 28 * 28 for _, seen in found)


def test_what_was_written_again_is_not_decoded_and_other_pixels_are_found_where_size_and_time_are_the_same(
    sitting: Sitting,
) -> None:
    os.utime(Path("data/inbox/batch/00007.png"))
    pages = Path("data/inbox/batch/pages.tif")
    times, content = pages.stat(), pages.read_bytes()
    pages.write_bytes(content.replace(b"\xff" * 28, b"\xfe" * 28, 1))
    os.utime(pages, ns=(times.st_atime_ns, times.st_mtime_ns))

    faults = {(one.path, one.page): seen.fault for one, seen in sitting().next(1000) if seen.fault}

    assert faults == {(b"00007.png", 1): pictures.CHANGED, (b"pages.tif", 1): pictures.CHANGED}


def test_without_such_a_copy_it_is_left_out_and_counted(sitting: Sitting, out: Path, champion: ScoringModel) -> None:
    shutil.rmtree(out)
    score(out, champion, report=False)
    gone = item(sitting())
    Path("data/inbox/batch", os.fsdecode(gone.path)).unlink()
    session = sitting()

    assert item(session) != gone
    assert session.state().unseen == 1
    session.look_again()
    assert session.state().unseen == 0
    assert item(session) != gone
    assert summary.of_state(out, session.state()) == [
        "1 picture went away or changed since they were scored: score batch again."
    ]


def test_a_page_of_a_document_is_shown_by_its_number(sitting: Sitting) -> None:
    pages = {one.page: seen.original for one, seen in sitting().next(1000) if one.path == b"pages.tif"}

    assert sorted(pages) == [1, 2, 3]
    assert len(set(pages.values())) == 3


def test_a_full_disk_keeps_no_answer_and_says_so_and_loses_none(sitting: Sitting, out: Path) -> None:
    session = sitting()
    key(session)
    one = item(session)

    with full_disk(), pytest.raises(PipelineError, match=r"answers\.db: .*\. .*then key it again\."):
        session.answer(one.picture, FIRST, "3", 1.0, "b" * 16)

    assert len(values(out)) == 1
    session.answer(one.picture, FIRST, "3", 1.0, "b" * 16)
    assert len(values(out)) == 2


def test_damaged_answers_are_one_line_and_are_not_touched(out: Path, sitting: Sitting) -> None:
    key(sitting())
    (out / kept.NAME).write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    before = (out / kept.NAME).read_bytes()

    with pytest.raises(PipelineError, match=r"answers\.db: .*It is damaged\. Keep a copy"):
        sitting().next(1)

    assert (out / kept.NAME).read_bytes() == before


def test_damaged_scores_are_not_taken_for_damaged_answers(out: Path, sitting: Sitting) -> None:
    key(sitting())
    (out / STORE).write_bytes(b"no database, and more than a page of it" * 200)

    with pytest.raises(
        PipelineError, match=r"scores\.db: .*Delete it, and every file is scored again\. What was keyed stays\."
    ):
        sitting().next(1)


def test_answers_of_another_version_are_refused(out: Path, sitting: Sitting) -> None:
    key(sitting())
    with sqlite3.connect(out / kept.NAME) as connection:
        connection.execute("pragma user_version = 99")

    with pytest.raises(PipelineError, match="made by another version"):
        sitting().next(1)


def test_what_came_of_it_stands_in_manifest_and_report(sitting: Sitting, out: Path) -> None:
    session = sitting()
    one = item(session)
    key(session, other_than(one))
    key(session, "none")
    key(session, count=3)

    found = summary.publish(out)

    manifest = manifests.read(out)
    assert manifest is not None
    assert manifest.review["words"] == found.lines
    assert found.lines == [
        "5 of 43 doubtful rows keyed, 0 others",
        "2 otherwise than they were read, 1 as no digit",
        "5 pictures in 8 s, 1.5 s each",
        "keying all 43 would take 64 s",
    ]
    report = (out / "report.html").read_text(encoding="utf-8")
    assert f'"{one.page}/{os.fsdecode(one.path)}": ["{other_than(one)}", "ada"]' in report
    assert "Looked at by people: 5 of 43 doubtful rows keyed" in report


def test_nothing_keyed_leaves_manifest_and_report_alone_and_what_is_undone_leaves_them_again(
    sitting: Sitting, out: Path
) -> None:
    before = (out / "report.html").read_bytes(), (out / "manifest.json").read_bytes()
    assert summary.publish(out).lines == ["nothing is keyed yet"]
    assert ((out / "report.html").read_bytes(), (out / "manifest.json").read_bytes()) == before

    session = sitting()
    key(session)
    summary.publish(out)
    assert (out / "report.html").read_bytes() != before[0]
    session.undo()
    summary.publish(out)
    assert (out / "report.html").read_bytes() == before[0]


def test_what_was_keyed_is_in_the_report_of_new_scores_too_and_damaged_answers_stop_no_scoring(
    sitting: Sitting, out: Path, champion: ScoringModel
) -> None:
    key(sitting(), count=3)
    score(out, champion, fresh=True)

    assert console.publish_answers(out) == ""
    manifest = manifests.read(out)
    assert manifest is not None
    assert manifest.review["keyed"] == 3

    (out / kept.NAME).write_bytes(b"no database, and more than a page of it" * 100)
    assert console.publish_answers(out).startswith("what was keyed is not in the report: data/scores/batch/answers.db: ")


def test_a_csv_of_all_rows_says_what_was_keyed_and_what_is_certified(sitting: Sitting, out: Path) -> None:
    with kept.opened(out) as answers:
        answers.remember(summary.PROMISE, "0.1 0.95")
    session = sitting(Mode(error=0.1, sure=0.95), reader="=ada")
    while any(one.look == FIRST for one in all_of(session)):
        key(session)

    with exporting.write_csv(out).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
        before = list(csv.DictReader(file))

    assert [{name: row[name] for name in before[0]} for row in rows] == before
    assert all(row["certified"] == "yes" for row in rows)
    keyed = [row for row in rows if row["reviewed_label"]]
    assert len(keyed) == session.state().done
    assert all((row["reviewed_label"], row["seconds"], row["reviewer"]) == (row["label"], "1.5", "'=ada") for row in keyed)
    assert all(row["reviewed_at"] > "2026" for row in keyed)
    assert {row["reviewer"] + row["seconds"] + row["reviewed_at"] for row in rows if not row["reviewed_label"]} <= {""}


def annotated(out: Path, change: Callable[[dict], None] = lambda _: None) -> Path:  # type: ignore[type-arg]
    """Answer tasks as Label Studio exports them."""
    tasks = json.loads(exporting.write_tasks(out, SETTINGS).read_text(encoding="utf-8"))
    for number, task in enumerate(tasks[:3]):
        result = [{**task["predictions"][0]["result"][0], "id": "x", "origin": "manual", "value": {"choices": ["5"]}}]
        task["annotations"] = [
            {"id": number, "result": result, "lead_time": 2.5, "was_cancelled": False, "completed_by": {"email": "eve@x.org"}}
        ]
    for task in tasks[3:]:
        task["annotations"] = []
    change(tasks)
    export = out / "export.json"
    export.write_text(json.dumps(tasks), encoding="utf-8")
    return export


def test_label_studio_gets_the_doubtful_rows_with_pictures_and_predictions_and_its_answers_come_back_once(out: Path) -> None:
    export = annotated(out)
    tasks = json.loads((out / exporting.TASKS).read_text(encoding="utf-8"))
    assert len(tasks) == IMAGES + 3
    assert tasks[0]["data"]["image"].startswith("data:image/png;base64,")
    (prediction,) = tasks[0]["predictions"]
    assert prediction["model_version"] == "v1.0.0"
    assert prediction["result"][0]["type"] == "choices"
    assert prediction["result"][0]["value"] == {"choices": [tasks[0]["predictions"][0]["result"][0]["value"]["choices"][0]]}

    assert str(exporting.read_tasks(out, export)) == "3 answers taken over, 0 known already, 0 of pictures that are not here"
    assert str(exporting.read_tasks(out, export)) == "0 answers taken over, 3 known already, 0 of pictures that are not here"

    with kept.opened(out) as answers:
        assert answers.execute("select value, reader, seconds, count(*) from answer").fetchone() == ("5", "eve@x.org", 2.5, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tasks: tasks[1]["annotations"][0]["result"][0]["value"].update(choices=["x"]), r"\['x'\] is no answer"),
        (lambda tasks: tasks[1]["data"].pop("key"), "'key'"),
        (lambda tasks: tasks[1]["data"].update(key="f" * 40), "too large|Python int"),
        (lambda tasks: tasks[2].pop("annotations"), "'annotations'"),
        (lambda tasks: tasks[2]["annotations"][0].update(completed_by={"email": "\ud800"}), "surrogates not allowed"),
    ],
)
def test_an_export_that_is_none_is_one_line_and_nothing_of_it_is_taken_over(
    change: Callable[..., None], words: str, out: Path
) -> None:
    with pytest.raises(PipelineError, match=rf"export\.json: no JSON export by Label Studio .*{words}.*Nothing was taken over"):
        exporting.read_tasks(out, annotated(out, change))

    assert values(out) == []


def test_answers_of_pictures_that_are_in_no_row_are_counted(out: Path) -> None:
    export = annotated(out, lambda tasks: tasks[0]["data"].update(key="0" * 15 + "9"))

    assert str(exporting.read_tasks(out, export)) == "2 answers taken over, 0 known already, 1 of pictures that are not here"


def test_what_was_keyed_is_what_the_next_training_finds(sitting: Sitting, out: Path) -> None:
    session = sitting()
    keyed = {one.picture: "none" for one in key(session, "none", count=2)}
    keyed |= {one.picture: "7" for one in key(session, "7", count=IMAGES)}

    added = learning.learn(out, SETTINGS)

    assert added.folder == Path("data/labelled/review-batch")
    assert (added.digits[7], added.digits[own.LABEL_OF_NONE], sum(added.digits)) == (IMAGES, 2, IMAGES + 2)
    found = choosing.find(Path("data/labelled"), SETTINGS, print, lambda *_: None)
    assert not [one for one in found if one.reason]
    assert {one.scan.key: one.label for one in found if one.scan} == {
        picture >> 31: 7 if value == "7" else own.LABEL_OF_NONE for picture, value in keyed.items()
    }
    assert any("pages.tif-page-" in one.name for one in found)
    collected = choosing.to_learn_from(found, params.load(Path("params.yaml")).collect)
    assert (collected.parts == own.NO_DIGIT).sum() == 2
    assert set(collected.labels[collected.parts != own.NO_DIGIT]) == {7}


def test_learning_again_takes_what_was_keyed_since_and_replaces_nobody_elses_folder(sitting: Sitting, out: Path) -> None:
    session = sitting()
    key(session, count=3)
    learning.learn(out, SETTINGS)
    key(session, count=2)
    assert sum(learning.learn(out, SETTINGS).digits) == 5

    (Path("data/labelled/review-batch") / "origin.json").write_text('{"from": "elsewhere"}', encoding="utf-8")
    with pytest.raises(PipelineError, match="exists already, and is not from a review"):
        learning.learn(out, SETTINGS)


def test_what_two_readers_see_differently_and_what_changed_is_not_learned_from(sitting: Sitting, out: Path) -> None:
    first, second, third = key(sitting(), "4", count=3)
    key(sitting(AFTER, "bob"), "9")
    waiting = item(sitting(BLIND))
    key(sitting(BLIND), other_than(waiting))
    Path("data/inbox/batch", os.fsdecode(second.path)).write_bytes(b"another")

    added = learning.learn(out, SETTINGS)

    assert sum(added.digits) == 1
    assert added.left == [(os.fsdecode(second.path), pictures.CHANGED)]
    assert (added.folder / os.fsdecode(third.path)).exists()
    assert not (added.folder / os.fsdecode(first.path)).exists()


def test_the_command_line_says_what_is_wrong_in_one_line(scored: Project) -> None:
    for command, words in (
        (("review", "nothing"), "nothing: no scored batch. There is: batch."),
        (("learn", "batch"), "data/scores/batch: nothing that was keyed can be learned from. Key some: `digits review`."),
        (("review", "batch", "--second", "bob"), "First: `digits review batch --blind`."),
    ):
        done = scored.digits(*command, check=False)
        assert done.returncode == 1
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
    assert scored.digits("review", "data/scores/batch", "--summary").stdout == "nothing is keyed yet\n"
