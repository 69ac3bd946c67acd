"""What is in the inbox, and what of it is ready to be scored."""

import os
import threading
import time
from pathlib import Path

import pytest

from flows.inbox import look_into, waits_for
from pipeline import layout, params
from pipeline.errors import PipelineError

ROOT = Path(__file__).parents[2]
SETTINGS = params.load(ROOT / "params.yaml").score
SOON = SETTINGS.model_copy(update={"quiet_seconds": 0.4})
BY_FILE = SETTINGS.model_copy(update={"inbox_waits_for": "ready", "quiet_seconds": 0})


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    (tmp_path / "batch/sub").mkdir(parents=True)
    (tmp_path / "batch/sub/a.png").touch()
    return tmp_path / "batch"


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is waited for, in seconds, without waiting."""
    naps: list[float] = []
    monkeypatch.setattr("flows.inbox.time.sleep", naps.append)
    return naps


def later(seconds: float) -> None:
    """Wait for longer than that."""
    threading.Event().wait(seconds + 0.1)


def test_the_inbox_is_batches_and_what_lies_beside_them(tmp_path: Path) -> None:
    for name in ("b", "a", ".half-copied", "@eaDir", "#recycle"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "link.zip").symlink_to(tmp_path / "c.ZIP")
    for name in ("file.png", "c.ZIP", "c.ZIP.ready", "d.tar", "e.ready"):
        (tmp_path / name).touch()

    inbox = look_into(tmp_path)

    assert [path.name for path in inbox.batches] == ["a", "b", "c.ZIP", "d.tar"]
    assert [path.name for path in inbox.loose] == ["e.ready", "file.png", "link", "link.zip"]
    assert look_into(tmp_path / "missing").batches == []


@pytest.mark.parametrize("inbox", ["data", "data/scores", "data/scores/old", ".", "link"])
def test_no_inbox_holds_the_scores(inbox: str, in_folder: Path) -> None:
    layout.SCORES.mkdir(parents=True)
    (in_folder / "link").symlink_to(in_folder / "data")

    with pytest.raises(PipelineError, match=f"^{inbox}: no inbox, for what is scored goes to data/scores. Name"):
        look_into(Path(inbox))


def test_five_seconds_without_a_change_are_quiet() -> None:
    assert SETTINGS.quiet_seconds == 5
    assert SETTINGS.inbox_waits_for == "quiet"


def test_what_nobody_writes_to_is_ready_at_once(batch: Path, naps: list[float]) -> None:
    later(SOON.quiet_seconds)

    assert waits_for(batch, SOON) == ""
    assert naps == []


def test_what_changed_a_moment_ago_is_looked_at_again(batch: Path, naps: list[float]) -> None:
    (batch / "b.png").touch()

    assert waits_for(batch, SETTINGS) == ""
    assert naps == [5]


@pytest.mark.parametrize("place", ["b.png", "sub/b.png", "sub/.b.png.part"])
def test_a_batch_that_grows_is_left_alone(place: str, batch: Path) -> None:
    (batch / place).touch()
    stop = threading.Event()

    def copy() -> None:
        with (batch / place).open("ab", buffering=0) as file:
            while not stop.wait(0.05):
                file.write(b"more")

    copying = threading.Thread(target=copy)
    copying.start()
    waits = waits_for(batch, SOON)
    stop.set()
    copying.join()

    assert waits == "is still being copied: something changed within 0.4 s"
    assert waits_for(batch, SOON) == ""


def test_times_that_a_copy_keeps_say_nothing(batch: Path, naps: list[float]) -> None:
    for when in (0, time.time() + 10**6):
        os.utime(batch / "sub/a.png", (when, when))
        later(SOON.quiet_seconds)

        assert waits_for(batch, SOON) == ""
    assert naps == []


def test_who_copies_may_say_that_nothing_more_comes(batch: Path) -> None:
    assert waits_for(batch, BY_FILE) == "waits for a file .ready in it"

    (batch / ".ready").touch()

    assert waits_for(batch, BY_FILE) == ""
    assert waits_for(batch, SETTINGS.model_copy(update={"quiet_seconds": 10**6})) == ""


def test_an_archive_waits_until_it_is_quiet_or_has_its_mark_beside_it(tmp_path: Path, naps: list[float]) -> None:
    archive = tmp_path / "a.zip"
    archive.touch()

    assert waits_for(archive, BY_FILE) == "waits for a file a.zip.ready beside it"
    assert waits_for(archive, SOON) == ""
    assert naps == [0.4]
    (tmp_path / "a.zip.ready").touch()
    assert waits_for(archive, BY_FILE) == ""


def test_an_archive_that_grows_is_still_being_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.zip"
    archive.touch()
    monkeypatch.setattr("flows.inbox.time.sleep", lambda _: archive.write_bytes(b"more"))

    assert waits_for(archive, SOON) == "is still being copied: something changed within 0.4 s"
