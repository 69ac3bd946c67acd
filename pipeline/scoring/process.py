"""A process that scores, as the run that started it sees it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from select import select
from typing import IO, Any, cast

from pipeline.scoring.job import Job, Scored
from pipeline.scoring.lines import Shard

MODULE = "pipeline.scoring.worker"
ROOT = Path(__file__).parents[2]
# A pipe holds this much.
MOST_READ = 2**16


class WorkerDied(Exception):
    """A worker process ended before it answered; the message says how."""


class Worker:
    """A process that writes lines of a listing, and then scores one shard at a time; it answers in the order of the questions.

    What it was told is lost when it dies, of which the question says nothing: waiting for the answer does.
    """

    _is_awake: bool
    _is_ready: bool

    def __init__(self) -> None:
        """Start it, and do not wait until it is ready."""
        self._start()

    def restart(self) -> None:
        """Start it anew, whatever became of it."""
        self.kill()
        self.close()
        self._start()

    def is_awake(self) -> bool:
        """Tell whether it has been started, without waiting. Raises WorkerDied."""
        if not self._is_awake and self.has_answered():
            self._is_awake = "awake" in self._answer()
        return self._is_awake

    def look_up(self, folder: bytes, paths: Sequence[bytes]) -> None:
        """Ask for the lines of some files, once it is awake."""
        # Latin 1 has a character for every byte.
        self._tell(look={"folder": folder.decode("latin-1"), "paths": b"\0".join(paths).decode("latin-1")})

    def has_answered(self) -> bool:
        """Tell whether an answer need not be waited for, which may be that it died."""
        return b"\n" in self._unread or bool(select([self._answers], [], [], 0)[0])

    def lines(self) -> list[bytes]:
        """Wait for the lines that it was asked for. Raises WorkerDied."""
        lines: str = self._answer()["lines"]
        return BytesIO(lines.encode("latin-1")).readlines()

    def begin(self, job: Job) -> None:
        """Tell it what it is to score."""
        self._tell(job=job.as_json())

    def wait_until_ready(self) -> None:
        """Wait until it has loaded the model. Raises WorkerDied."""
        while not self._is_ready:
            self._is_ready = "ready" in self._answer()  # it may still say that it is awake

    def score(self, shard: Shard) -> Scored:
        """Wait for the rows of a shard. Raises WorkerDied."""
        self._tell(shard=asdict(shard))
        return Scored(**self._answer())

    def kill(self) -> None:
        """End it at once; who waits for its answer wakes up."""
        self._process.kill()

    def close(self) -> None:
        """Wait for its end, which has come or been brought about."""
        self._process.wait()
        for pipe in (self._answers, self._questions):
            with suppress(OSError):  # what was not sent any more
                pipe.close()

    def _start(self) -> None:
        self._process = _launch()
        self._questions, self._answers = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self._unread = b""
        self._is_awake = False
        self._is_ready = False

    def _tell(self, **question: Any) -> None:
        with suppress(OSError):  # it died
            self._questions.write(f"{json.dumps(question)}\n".encode())
            self._questions.flush()

    def _answer(self) -> dict[str, Any]:
        while b"\n" not in self._unread:
            more = os.read(self._answers.fileno(), MOST_READ)
            if not more:
                raise self._death()
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise RuntimeError(answer["failure"])
        return answer

    def _death(self) -> WorkerDied:
        code = self._process.wait()
        return WorkerDied(signal.Signals(-code).name if code < 0 else f"exit code {code}")


def _launch() -> "subprocess.Popen[bytes]":
    # This very code, whatever lies in the working folder; and one thread, since more take longer to start than numpy.
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a decoder's complaint becomes the reason in the row
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
    )
