"""The store of a batch: what is new in a listing, and which rows people are shown."""

from collections import Counter
from pathlib import Path

import pytest

from pipeline.scoring import export, row, store
from pipeline.scoring.listing import File, Listing
from pipeline.scoring.row import chance, is_shown
from pipeline.scoring.shard import Scored
from pipeline.scoring.store import Plan, Store, opened


def listing(*files: File) -> Listing:
    return Listing(count=len(files), _few=list(files))


def file(name: str, time: int = 1) -> File:
    return name.encode(), 10, time, time


def begin(kept: Store, *files: File, method: str = "m", is_fresh: bool = False, has_pictures: bool = False) -> Plan:
    kept.begin(Path("batch"), "v1.0.0", method, listing(*files), is_fresh=is_fresh)
    return kept.plan(has_pictures=has_pictures)


def scored(*names: str, status: str = "ok", confidence: float | None = 0.99, with_picture: bool = False) -> Scored:
    rows = [
        (name.encode(), 1, 7, confidence, None, None, status, "", *range(10), 5, f"{name},1,7,,,,{status},,v1.0.0\n", None)
        for name in names
    ]
    return Scored(len(names), Counter(), rows, [(name.encode(), 1, b"", b"") for name in names] if with_picture else [])


def pending(kept: Store) -> list[bytes]:
    return [path for shard in kept.shards(2) for path in shard.paths]


def lines(kept: Store) -> list[str]:
    return [line.partition(",")[0] for line, _, _ in export._pictures(kept, sum(1 for _ in kept.execute("select 1 from row")))]


def test_only_what_is_new_or_changed_is_to_be_scored_and_what_is_gone_has_no_row(tmp_path: Path) -> None:
    with opened(tmp_path, is_written=True) as kept:
        assert begin(kept, file("a"), file("b"), file("c")).pending == 3
        kept.write(scored("a", "b", "c"))
        kept.finish("{}")

    with opened(tmp_path, is_written=True) as kept:
        plan = begin(kept, file("b"), file("c", time=2), file("d"))

        assert (plan.pending, plan.reused, plan.resumed, plan.size) == (2, 1, 0, 20)
        assert pending(kept) == [b"c", b"d"]
        assert kept.execute("select path from row").fetchall() == [(b"b",)]


@pytest.mark.parametrize(
    ("again", "expected"),
    [({}, (1, 0, 2)), ({"method": "n"}, (3, 0, 0)), ({"is_fresh": True}, (3, 0, 0)), ({"has_pictures": True}, (3, 0, 0))],
)
def test_a_run_that_was_interrupted_goes_on_if_it_is_the_same(
    tmp_path: Path, again: dict[str, object], expected: tuple[int, int, int]
) -> None:
    files = file("a"), file("b"), file("c")
    with opened(tmp_path, is_written=True) as kept:
        begin(kept, *files)
        kept.write(scored("a", "b"))

    with opened(tmp_path, is_written=True) as kept:
        plan = begin(kept, *files, **again)  # type: ignore[arg-type]

        assert (plan.pending, plan.reused, plan.resumed) == expected


def test_a_finished_run_is_current_until_something_changes(tmp_path: Path) -> None:
    with opened(tmp_path, is_written=True) as kept:
        begin(kept, file("a"))
        kept.write(scored("a"))
        assert not kept.is_current(listing(file("a")), "m")
        kept.finish("{}")

    with opened(tmp_path) as kept:
        assert kept.source == Path("batch")
        assert kept.is_current(listing(file("a")), "m")
        assert not kept.is_current(listing(file("a")), "n")
        assert not kept.is_current(listing(file("a", time=2)), "m")
        assert not kept.is_current(listing(file("a"), file("b")), "m")
        assert not kept.is_current(listing(), "m")


def test_shards_are_of_so_many_files_or_of_some_megabytes(tmp_path: Path) -> None:
    large = store.SHARD_BYTES // 2 + 1
    with opened(tmp_path, is_written=True) as kept:
        begin(kept, *((b"%d" % number, large if number in (3, 4) else 1, 1, 1) for number in range(8)))

        assert [len(shard.paths) for shard in kept.shards(3)] == [3, 1, 3, 1]


def test_a_store_that_is_not_there_is_empty_and_is_not_made(tmp_path: Path) -> None:
    with opened(tmp_path / "scores") as kept:
        assert kept.source is None
        assert not kept.is_current(listing(), "m")

    assert not (tmp_path / "scores").exists()


def test_of_too_many_rows_the_least_confident_are_shown_and_others_at_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST_SHOWN", 20)
    monkeypatch.setattr(export, "MOST_DOUBTFUL", 10)
    with opened(tmp_path, is_written=True) as kept:
        begin(kept)
        for number in range(100, 130):
            kept.write(scored(f"{number:03}", status="review", confidence=number / 10_000, with_picture=True))
        kept.write(scored(*(f"{number:03}" for number in range(200, 900)), with_picture=True))

        shown = lines(kept)

    assert shown == sorted(shown)
    assert shown[:10] == [f"{number}" for number in range(100, 110)]
    assert len(shown) == 20
    assert int(shown[10]) < 400 < 700 < int(shown[-1])


def test_all_rows_are_shown_where_they_are_few(tmp_path: Path) -> None:
    with opened(tmp_path, is_written=True) as kept:
        begin(kept)
        kept.write(scored("b", "a", "c", with_picture=True))

        assert lines(kept) == ["a", "b", "c"]


def test_every_doubtful_row_is_shown_and_a_share_of_the_others() -> None:
    names = [f"{number}.png" for number in range(4000)]

    assert all(is_shown(name, status, 0.1) for name in names for status in ("review", "error"))
    assert 300 < sum(is_shown(name, "ok", 0.1) for name in names) < 500
    assert all(0 <= chance(name) <= 1 for name in names)


@pytest.mark.parametrize(("has_any", "kept_rows"), [(False, range(350, 395)), (True, range(400, 401))])
def test_of_more_rows_than_are_shown_only_those_that_would_be_are_scored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_any: bool, kept_rows: range
) -> None:
    monkeypatch.setattr(store, "MOST_SHOWN", 20)
    monkeypatch.setattr(row, "MOST_SHOWN", 20)
    names = [f"{number:03}" for number in range(400)]
    files = [file(name) for name in names]
    with opened(tmp_path, is_written=True) as kept:
        begin(kept, *files)
        kept.write(scored(names[0], status="review", with_picture=has_any))
        kept.write(scored(*names[1:]))
        kept.finish("{}")

    with opened(tmp_path, is_written=True) as kept:
        assert begin(kept, *files, has_pictures=True).reused in kept_rows
