"""The stage ``ingest`` without a network: order of sources, verification, the sample."""

import gzip
import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets import download, idx, raw
from pipeline.datasets.download import SourceError
from pipeline.errors import PipelineError
from pipeline.stages import ingest

FILES = {name: f"content of {name}".encode() for name in raw.FILES}


@pytest.fixture(autouse=True)
def _known_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "MNIST_SHA256", {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()})


def failing(reason: str) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        raise SourceError(reason)

    return read


def test_the_first_source_that_has_the_files_is_used() -> None:
    fetched = ingest.fetch({"first": failing("no such folder"), "second": FILES.__getitem__, "third": failing("never asked")})

    assert fetched == FILES


def test_files_may_be_compressed_or_plain() -> None:
    assert ingest.fetch({"zipped": lambda name: gzip.compress(FILES[name], 1)}) == FILES


@pytest.mark.parametrize("compress", [gzip.compress, bytes])
@pytest.mark.parametrize("dash", ["-idx", ".idx"])
def test_a_folder_may_hold_them_under_either_name(tmp_path: Path, compress: Callable[[bytes], bytes], dash: str) -> None:
    for name, content in FILES.items():
        suffix = ".gz" if compress is gzip.compress else ""
        (tmp_path / f"{name.replace('-idx', dash)}{suffix}").write_bytes(compress(content))

    assert (
        ingest.fetch({"folder": download.source(str(tmp_path), dict.fromkeys(FILES, 1000), timeout_seconds=1, attempts=1)})
        == FILES
    )


def test_a_source_that_stops_halfway_is_completed_by_the_next() -> None:
    first = dict(list(FILES.items())[:2])
    asked = []

    def partly(name: str) -> bytes:
        if name not in first:
            raise SourceError("HTTP 404 Not Found")
        return first[name]

    def rest(name: str) -> bytes:
        asked.append(name)
        return FILES[name]

    assert ingest.fetch({"first": partly, "second": rest}) == FILES
    assert asked == list(FILES)[2:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>Please log in</html>", "web page"),
        (b"other bytes", "wrong content"),
        (gzip.compress(b"other bytes", mtime=0), "wrong content"),
        (gzip.compress(FILES[raw.TRAIN_IMAGES], mtime=0)[:-6], "cut off"),
        (b"\x1f\x8b nonsense", "damaged"),
        (b"", "wrong content"),
    ],
)
def test_wrong_bytes_are_refused_with_what_they_are(content: bytes, reason: str) -> None:
    with pytest.raises(PipelineError, match=reason):
        ingest.fetch({"mirror": lambda name: content})


@pytest.mark.parametrize("content", [gzip.compress(bytes(3 * 10**8), 1), bytes(47_040_017)])
def test_no_more_is_unpacked_than_the_file_has(content: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(PipelineError, match=r"wrong content: more than the 47,040,016 bytes of this file"):
        ingest.fetch({"mirror": lambda name: content})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 150_000_000


def test_no_more_is_read_of_a_folder_than_the_file_can_have(tmp_path: Path) -> None:
    (tmp_path / raw.TRAIN_IMAGES).symlink_to("/dev/zero")

    with pytest.raises(PipelineError, match=r"too long: more than 1,000 bytes, which this file cannot have"):
        ingest.fetch({"folder": download.source(str(tmp_path), dict.fromkeys(FILES, 1000), timeout_seconds=1, attempts=1)})


def test_the_error_lists_each_source_with_its_own_failure_and_the_ways_on() -> None:
    with pytest.raises(PipelineError) as raised:
        ingest.fetch({"one": failing("HTTP 403 Forbidden"), "two": failing("timed out")})

    message = str(raised.value)
    assert f"one: {raw.TRAIN_IMAGES}: HTTP 403 Forbidden" in message
    assert f"two: {raw.TRAIN_IMAGES}: timed out" in message
    assert "data/mirror/" in message
    assert "make demo" in message


def test_the_sample_is_every_digit_that_scikit_learn_carries() -> None:
    files = {name: idx.decode(content) for name, content in ingest.sample().items()}

    assert len(files[raw.TRAIN_IMAGES]) + len(files[raw.TEST_IMAGES]) == 1797
    assert files[raw.TEST_IMAGES].shape == (360, 28, 28)
    assert np.bincount(files[raw.TEST_LABELS]).min() > 30
    assert files[raw.TRAIN_IMAGES].max(axis=(1, 2)).min() == 255
