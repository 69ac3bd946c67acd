"""Calling programs that talk to other machines."""

import os
import sys
import time
from pathlib import Path

import pytest

from pipeline import calling
from pipeline.calling import RemoteError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_a_program_prints_is_given() -> None:
    assert calling.call(python("print('Prüfstelle')"), 20) == "Prüfstelle\n"


def test_the_words_of_one_that_fails_are_given_on_a_line_without_credentials() -> None:
    code = "import sys; sys.exit('fatal: unable to access\\n https://me:secret@hub.example/x.git and ssh://you@hub.example.')"

    with pytest.raises(RemoteError) as raised:
        calling.call(python(code), 20)

    assert str(raised.value) == "fatal: unable to access https://hub.example/x.git and ssh://hub.example"


def test_one_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RemoteError, match=r"^no-such-program: not found$"):
        calling.call(["no-such-program"], 20)


def test_one_that_hangs_ends_with_all_that_it_started(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )

    with pytest.raises(RemoteError, match=r"^no answer within 2 s$"):
        calling.call(python(code), 2)

    pid = int((tmp_path / "pid").read_text())
    for _ in range(50):
        if not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        time.sleep(0.1)
    raise AssertionError(f"{pid} lives, {os.getpid()} waits")


def test_nobody_can_be_asked() -> None:
    code = "try: open('/dev/tty')\nexcept OSError: print('no terminal')\nimport sys; print(repr(sys.stdin.read()))"

    assert calling.call(python(code), 20) == "no terminal\n''\n"
