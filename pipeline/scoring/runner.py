"""Where shards are scored: in this process, or in others that may crash without ending the run."""

import math
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.scoring import manifest, sheet
from pipeline.scoring.job import Job, Scored
from pipeline.scoring.lines import Shard, read_paths
from pipeline.scoring.process import MODULE, Worker, WorkerDied
from pipeline.scoring.row import unlabelled_row

# This process reads so many pictures, or bytes of them, before other processes are ready.
FEW = 2000
FEW_BYTES = 2**21
# The attempts to start a process, which something may kill.
ATTEMPTS = 3
# Linux's control groups, the one of this process, and version 1's files of the quota and its period, in microseconds.
GROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
OLD_QUOTA = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
Results = Generator[tuple[Shard, Scored]]


def here(job: Job, shards: Iterator[Shard]) -> Results:
    """Score shards in this process."""
    from pipeline.scoring.scorer import Scorer

    scorer = Scorer(job)
    for shard in shards:
        yield shard, scorer.score(shard)


def cores() -> int:
    """Give the number of cores that this process may use, of which its control group may have a quota, as containers do."""
    some = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([some, *map(math.ceil, _quotas())])


def _quotas() -> Iterator[float]:
    """Give how many processors' time Linux gives the groups that this process is in. To import joblib's count takes 0.1 s."""
    try:
        (own,) = re.findall(r"^0::/(.*)$", OWN_GROUP.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        own = ""
    group = GROUPS / own
    for names in [[folder / "cpu.max"] for folder in (group, *group.parents)] + [[GROUPS / "cpu" / name for name in OLD_QUOTA]]:
        with suppress(OSError, ValueError):  # not there, or "max"
            quota, period = map(int, " ".join(file.read_text(encoding="utf-8") for file in names).split())
            if quota > 0 < period:
                yield quota / period


def foreseen(folder: Path, out: Path, workers: int | None) -> int:
    """Give how many processes a run will need, as far as a glance at its folder tells: one where it was scored before."""
    try:
        with os.scandir(folder) as entries:
            is_full = next(islice(entries, FEW, None), None) is not None
    except OSError:  # no folder, or one that cannot be read, as the listing will say
        return 0
    if not is_full:
        return 0
    return 1 if (out / manifest.NAME).exists() else min(workers or cores(), cores())


@contextmanager
def started(count: int) -> Iterator[list["Worker"]]:
    """Start processes that will score, which takes them a moment, and end those that are left."""
    workers = [Worker() for _ in range(count)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.close()


def in_workers(job: Job, shards: Iterator[Shard], workers: "list[Worker]") -> Results:
    """Score shards in other processes, and give them as they are done, in any order.

    A shard whose worker dies is tried again in halves, down to the one picture that is the reason, which becomes an ``error``
    row. When the caller stops listening, the workers are stopped.
    """
    count = len(workers)
    crew = _Crew(job, workers)
    with ThreadPoolExecutor(count) as threads:
        try:
            # No more than twice the workers are waiting: a list of all shards would grow with the folder.
            running = {threads.submit(crew.score, shard): shard for shard in islice(shards, 2 * count)}
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    result = running.pop(future), future.result()
                    running |= {threads.submit(crew.score, shard): shard for shard in islice(shards, 1)}
                    yield result
        finally:
            crew.stop()
            threads.shutdown(cancel_futures=True)


class StoppedError(Exception):
    """The run is being stopped."""


class _Crew:
    """Some workers, of which those that die are started anew."""

    def __init__(self, job: Job, workers: list[Worker]) -> None:
        self._job = job
        self._workers = workers
        self._is_stopping = False
        self._lock = threading.Lock()
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            worker.begin(job)
            self._idle.put(worker)

    def score(self, shard: Shard) -> Scored:
        """Wait for a worker and for the rows of a shard, whatever becomes of the worker."""
        try:
            return self._once(shard)
        except WorkerDied:
            if shard.count > 1:
                first, second = (self.score(half) for half in shard.split(self._job.pending))
                return Scored(first.rows + second.rows, Counter(first.statuses) + Counter(second.statuses))
        try:
            return self._once(shard)  # the first time it may have been for another reason
        except WorkerDied as death:
            (path,) = read_paths(self._job.pending, shard)
            reason = f"ends the process that reads it: {death}"
            row = unlabelled_row(path, 1, "error", reason, self._job.version, self._job.rules)
            if self._job.shown_share is not None:
                sheet.write(self._job.sheet(shard), sheet.line(row))
            return Scored.of([row])

    def stop(self) -> None:
        """End all workers at once, and start none any more."""
        with self._lock:
            self._is_stopping = True
            for worker in self._workers:
                worker.kill()

    def _once(self, shard: Shard) -> Scored:
        worker = self._idle.get()
        try:
            self._make_ready(worker)
            return worker.score(shard)
        except WorkerDied:
            self._restart(worker)
            raise
        finally:
            self._idle.put(worker)

    def _make_ready(self, worker: Worker) -> None:
        """Wait until a worker can begin. Raises PipelineError where none can."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                worker.wait_until_ready()
                return
            except WorkerDied as death:
                if attempt == ATTEMPTS:
                    look = f"Look with `{shown(sys.executable)} -m {MODULE}`."
                    raise PipelineError(f"a process that scores ends before it begins: {death}. {look}") from None
                self._restart(worker)

    def _restart(self, worker: Worker) -> None:
        with self._lock:
            if self._is_stopping:
                raise StoppedError
            worker.restart()
        worker.begin(self._job)
