"""Names in messages: any bytes, on one line."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.names import shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"monday", "monday"),
        ("caf\u00e9 \U0001f58a".encode(), "caf\u00e9 \U0001f58a"),
        (b"caf\xe9", r"caf\xe9"),
        (b"new\nline", r"new\nline"),
        (b"\x1b[31mred", r"\x1b[31mred"),
        ("right\u202eleft".encode(), r"right\u202eleft"),
    ],
)
def test_a_name_is_shown_as_it_is_where_it_can_be(name: bytes, text: str) -> None:
    assert shown(name) == shown(os.fsdecode(name)) == shown(Path(os.fsdecode(name))) == text


@given(st.binary())
def test_any_name_is_one_line_that_any_terminal_and_any_json_takes(name: bytes) -> None:
    text = shown(name)

    assert text.encode("utf-8").decode() == text
    assert text.isprintable()
