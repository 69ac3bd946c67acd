"""Looking files up together with workers, whatever becomes of them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.scoring import lookup
from pipeline.scoring.lines import lines_of
from pipeline.scoring.lookup import entries
from pipeline.scoring.process import Worker, WorkerDied
from pipeline.scoring.runner import started

NAMES = (b"a", b"b\r", b"c\n", b"d\\n", b"\xff", b'"', b"e\r\n", b"gone")
COUNT = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for size, name in enumerate(NAMES[:-1]):
        (tmp_path / os.fsdecode(name)).write_bytes(bytes(size))
    return tmp_path


@pytest.fixture
def looked_up_here(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What this process looks up, where a question is about two paths."""
    seen: list[bytes] = []

    def look_up(folder: bytes, paths: list[bytes]) -> list[bytes]:
        seen.extend(paths)
        return lines_of(folder, paths)

    monkeypatch.setattr(lookup, "TOGETHER", 2)
    monkeypatch.setattr(lookup, "lines_of", look_up)
    return seen


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    with started(2) as workers:
        yield workers


def wake(workers: list[Worker]) -> None:
    for worker in workers:
        while not worker.is_awake():
            time.sleep(0.01)


def test_workers_write_the_same_lines(folder: Path, looked_up_here: list[bytes], workers: list[Worker]) -> None:
    wake(workers)
    paths = NAMES * COUNT

    found = list(entries(os.fsencode(folder), paths, workers))

    expected = lines_of(os.fsencode(folder), paths)
    assert sorted(found) == sorted(zip(paths, expected, strict=True))
    assert len(looked_up_here) < len(paths)


@pytest.mark.parametrize("at", [0, 1, len(NAMES) * COUNT // 2])
def test_what_a_killed_worker_was_asked_is_looked_up_here(
    folder: Path, looked_up_here: list[bytes], workers: list[Worker], at: int
) -> None:
    wake(workers)
    paths = NAMES * COUNT

    def killing() -> Iterator[bytes]:
        for number, path in enumerate(paths):
            if number == at:
                for worker in workers:
                    worker.kill()
            yield path

    found = list(entries(os.fsencode(folder), killing(), workers))

    assert sorted(found) == sorted(zip(paths, lines_of(os.fsencode(folder), paths), strict=True))
    for worker in workers:
        with pytest.raises(WorkerDied, match="SIGKILL"):
            worker.lines()
        worker.restart()


def test_a_worker_that_is_not_awake_is_not_waited_for(folder: Path, looked_up_here: list[bytes]) -> None:
    with started(1) as workers:
        list(entries(os.fsencode(folder), NAMES, workers))

    assert sorted(looked_up_here) == sorted(NAMES)
