"""Records are put in order, in memory and in a file."""

import pytest

from pipeline.errors import PipelineError
from pipeline.scoring import ordering
from tests.conftest import full_disk

RECORDS = [(b"b", b"1"), (b"a\n", b"2"), (b"\xff", b"3"), (b"b", b"4"), (b"", b"5"), (b"B", b"6"), (b"b", b"7")]


@pytest.mark.parametrize("in_memory", [1, 4, 7, 8])
def test_records_come_in_byte_order_and_those_of_one_key_as_they_came(in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "IN_MEMORY", in_memory)

    ordered = list(ordering.in_order(iter(RECORDS)))

    assert b"".join(value for _, value in ordered) == b"5621473"
    assert sorted(ordered) == sorted(RECORDS)


def test_without_room_for_the_file_one_clear_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "IN_MEMORY", 1)

    with full_disk(), pytest.raises(PipelineError, match=r"cannot sort: .+\. Make room for temporary files, .* TMPDIR"):
        list(ordering.in_order((b"%0100d" % number, b"") for number in range(100_000)))
