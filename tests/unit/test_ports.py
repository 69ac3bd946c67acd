"""The ports of `make serve`."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flows import serve


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as started:
        yield started


def numbers(started: ExitStack) -> dict[str, int]:
    return {name: one.getsockname()[1] for name, one in serve._listen(started).items()}


def test_projects_that_start_at_once_share_none(started: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    for name in ("first", "second", "third"):
        (tmp_path / name / ".prefect").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / name)
        taken += numbers(started).values()

    assert len(set(taken)) == 6


@pytest.mark.parametrize("spoilt", ["", '{"server": 99999, "pages": -1}', '{"server": "x"}'])
def test_they_stay_the_same_and_what_is_none_is_chosen_anew(started: ExitStack, in_folder: Path, spoilt: str) -> None:
    (in_folder / ".prefect").mkdir()
    with ExitStack() as first:
        chosen = numbers(first)

    assert numbers(started) == chosen
    started.close()
    serve.PORTS.write_text(spoilt)
    assert all(port > 0 for port in numbers(started).values())
