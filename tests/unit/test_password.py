"""The password of `make serve`, as it is kept, and as somebody may have spoilt it."""

from pathlib import Path

import pytest

from flows import password
from pipeline.errors import PipelineError


def test_it_is_made_once(in_folder: Path) -> None:
    first = password.kept()

    assert first.startswith("digits:")
    assert password.kept() == first != password.new()


def test_one_of_a_persons_own_counts(in_folder: Path) -> None:
    password.FILE.parent.mkdir()
    password.FILE.write_text("ada:lovelace\r\n")

    assert password.kept() == "ada:lovelace"


@pytest.mark.parametrize("content", [b"", b"\n", b"secret", b"digits:", b":secret", b"a:b\nc:d", b"a:b\x1b", b"\xff:\xff"])
def test_what_is_none_is_said_in_one_line(in_folder: Path, content: bytes) -> None:
    password.FILE.parent.mkdir()
    password.FILE.write_bytes(content)

    with pytest.raises(PipelineError, match=r"^\.prefect/password: .*\. Delete it, and the next start makes another\.$"):
        password.kept()


def test_what_an_earlier_start_left_open_is_closed(in_folder: Path) -> None:
    (in_folder / "home/ui").mkdir(parents=True)
    (in_folder / "home/ui/index.html").touch()
    (in_folder / "home/elsewhere").symlink_to("/")

    password.keep_to_owner(Path("home"))

    modes = {str(path): path.stat().st_mode & 0o777 for path in (Path("home"), Path("home/ui"), Path("home/ui/index.html"))}
    assert modes == {"home": 0o700, "home/ui": 0o700, "home/ui/index.html": 0o600}
