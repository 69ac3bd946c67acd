"""Which processes there are, and what becomes of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Process:
    """A process that has not ended, its parent, and the group that it was started in."""

    number: int
    parent: int
    group: int


def peak_of(code: str, *arguments: str) -> tuple[str, int]:
    """Run Python code in a process of its own: what it printed, and the most memory that it had, in kB. Linux only.

    What ``getrusage`` gives begins with what the parent took.
    """
    measured = f"{code}\nimport re; print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    done = subprocess.run([sys.executable, "-c", measured, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    *printed, peak = done.stdout.splitlines()
    return "\n".join(printed), int(peak)


def processes() -> list[Process]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [Process(int(row[0]), int(row[1]), int(row[2])) for row in rows if not row[3].startswith("Z")]


def started_by(process: int) -> set[int]:
    """Give the processes that a process started, and those that they started in turn."""
    known, found = processes(), {process}
    while more := {one.number for one in known if one.parent in found} - found:
        found |= more
    return found - {process}


def left_of(group: int, started: Collection[int] = ()) -> set[int]:
    """Wait a few seconds for the end of a group of processes, and of some others; give those that are left."""
    for _ in range(50):
        left = {one.number for one in processes() if one.number in started or one.group == group}
        if not left:
            break
        time.sleep(0.1)
    return left


def ends_elsewhere(process: int) -> str:
    """End any process but one, as a lack of memory does."""
    if os.getpid() != process:
        os.kill(os.getpid(), signal.SIGKILL)
    return "here"


def tells_where(_: int) -> int:
    """Give the number of the process that does it."""
    return os.getpid()
