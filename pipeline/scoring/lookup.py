"""The lines of a listing, which workers that wait for something to score write too."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from pipeline.scoring.lines import lines_of
from pipeline.scoring.process import Worker, WorkerDied

# A path, and its line.
Entry = tuple[bytes, bytes]
# Paths that one question is about, and questions that wait for a worker: it always has one while its answer is on the way.
TOGETHER = 256
AHEAD = 2


def entries(folder: bytes, paths: Iterable[bytes], workers: Iterable[Worker] = ()) -> Iterator[Entry]:
    """Yield paths below ``folder`` with their lines, in any order; whatever becomes of the workers."""
    helpers = [_Helper(folder, worker) for worker in workers]
    paths = iter(paths)
    while some := tuple(islice(paths, TOGETHER)):
        for helper in helpers:
            yield from helper.answered()
        free = next((helper for helper in helpers if helper.is_free()), None)
        if free:
            free.ask(some)
        else:
            yield from zip(some, lines_of(folder, some), strict=True)
    for helper in helpers:
        yield from helper.answered(is_waited_for=True)


class _Helper:
    """A worker, and the paths that it was asked about."""

    def __init__(self, folder: bytes, worker: Worker) -> None:
        self._folder = folder
        self._worker = worker
        self._asked: deque[tuple[bytes, ...]] = deque()

    def is_free(self) -> bool:
        try:
            return len(self._asked) < AHEAD and self._worker.is_awake()
        except WorkerDied:
            return False

    def ask(self, paths: tuple[bytes, ...]) -> None:
        self._worker.look_up(self._folder, paths)
        self._asked.append(paths)

    def answered(self, *, is_waited_for: bool = False) -> Iterator[Entry]:
        while self._asked and (is_waited_for or self._worker.has_answered()):
            paths = self._asked.popleft()
            try:
                lines = self._worker.lines()
            except WorkerDied:
                lines = lines_of(self._folder, paths)
            yield from zip(paths, lines, strict=True)
