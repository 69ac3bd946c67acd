"""What ``dvc.lock`` vouches for, as DVC writes it."""

from pathlib import Path

import pytest

from pipeline.registry import contents

MODEL = Path("models/digit-cnn")
RECORDED = "5e931e908d138d7a8b4f5d00197ae52b.dir"


def test_the_hash_of_an_output_is_found() -> None:
    text = f"schema: '2.0'\nstages:\n  ingest: {{cmd: x}}\n  train:\n    outs:\n    - {{path: {MODEL}, md5: {RECORDED}}}\n"

    assert contents.recorded_hash(text, MODEL) == RECORDED


@pytest.mark.parametrize("text", ["", "schema: '2.0'\n", "stages:\n  train: {outs: []}\n"])
def test_where_nothing_is_recorded_there_is_none(text: str) -> None:
    assert contents.recorded_hash(text, MODEL) is None
