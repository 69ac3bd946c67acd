"""Own scans: which part each belongs to, and how they are mixed with others."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets import own
from pipeline.datasets.own import Own
from pipeline.errors import PipelineError

KEYS = np.random.default_rng(0).integers(0, own.KEYS, 1000, dtype=np.uint32)


def scans(count: int) -> Own:
    keys = KEYS[:count]
    images = np.arange(count * 784, dtype=np.uint8).reshape(count, 28, 28, 1)
    flags = np.zeros(count, np.bool_)
    return Own(
        images,
        np.arange(count, dtype=np.uint8) % 10,
        keys,
        own.parts_of(keys, 0.25, 0.1),
        flags,
        flags,
        np.zeros((count, 7), np.float16),
    )


def test_every_key_has_its_part_whatever_comes_beside_it() -> None:
    parts = own.parts_of(KEYS, 0.25, 0.1)

    shares = np.bincount(parts, minlength=3) / len(KEYS)
    assert np.allclose(shares, (0.675, 0.075, 0.25), atol=0.04)
    order = np.random.default_rng(1).permutation(len(KEYS))
    assert (own.parts_of(KEYS[order][:300], 0.25, 0.1) == parts[order][:300]).all()


def test_a_larger_share_takes_no_test_scan_back() -> None:
    few, more = (own.parts_of(KEYS, share, 0.1) == own.TEST for share in (0.25, 0.5))

    assert more[few].all()


def test_the_test_set_is_known_by_what_is_in_it() -> None:
    one, more = scans(300), scans(301)
    tests = sum(one.parts == own.TEST)

    assert len(one.part(own.TEST).labels) == tests
    assert one.test_set == scans(300).test_set
    assert (one.test_set == more.test_set) == (more.parts[300] != own.TEST)
    assert one.part(own.TRAIN).test_set == ""


@pytest.mark.parametrize(
    ("count", "share", "others"), [(3, 0.1, 900), (300, 0.1, 900), (1, 0.5, 7), (300, 0.1, 270), (300, 0.1, 9)]
)
def test_scans_are_repeated_or_left_out_evenly_up_to_their_share(count: int, share: float, others: int) -> None:
    by_digit = np.argsort(np.arange(count) % 10, kind="stable")  # as folders put them
    some = Own(*(getattr(scans(count), field.name)[by_digit] for field in fields(Own)))

    images, labels = some.as_share(share, others)

    assert len(images) == len(labels) == round(others * share / (1 - share))
    times = np.bincount(labels, minlength=min(count, 10))
    assert len(labels) < 10 or times.max() - times.min() <= 1


def test_few_scans_are_not_repeated_without_end() -> None:
    assert np.bincount(scans(3).as_share(0.1, 900, most_times=10)[1]).tolist() == [10, 10, 10]
    assert len(scans(100).as_share(0.1, 900, most_times=10)[1]) == 100


def test_no_scans_are_no_share() -> None:
    images, labels = own.NONE.as_share(0.1, 900)

    assert (images.shape, labels.shape) == ((0, 28, 28, 1), (0,))


def test_what_is_written_is_read_and_the_same_scans_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        own.write(tmp_path / name, scans(50))

    back = own.read(tmp_path / "a")
    assert all(np.array_equal(getattr(back, field.name), getattr(scans(50), field.name)) for field in fields(Own))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all"])
def test_a_file_that_is_not_whole_says_how_to_make_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.npz").write_bytes(content)

    with pytest.raises(PipelineError, match=r"own\.npz: cannot be read: .*Run `dvc repro collect`\."):
        own.read(tmp_path / "own.npz")
