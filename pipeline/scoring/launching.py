"""How a process that scores is started, and what goes on in it."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe, current_process, forkserver, parent_process
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.popen_forkserver import Popen
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from pipeline.errors import PipelineError
from pipeline.scoring.executors import Result, Task
from pipeline.scoring.shard import Shard

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# What a process notes, of a shard that it scores, where the run sees it: its own number, a file's, and a page's.
NOTES = PROCESS, FILE, PAGE = range(3)
ROOT = Path(__file__).parents[2]
PRELOADED = [__name__, "pebble", "pipeline.scoring.page", "ai_edge_litert.interpreter"]
# What is changed while a process is started, and changed back, is this whole process's, in which others may start some too.
_one_at_a_time = threading.Lock()
# In a process that was started to score: the notes on all shards that are under way.
notes: list[Any] = []


def start_server() -> None:
    """Start the process that others are forked from, with this very code, whatever lies in the working folder.

    It imports once what all of them need, but on macOS, where that cannot be forked. One thread each: more take longer to start
    than numpy.
    """
    with _one_at_a_time:
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        changes = {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1", "OPENBLAS_NUM_THREADS": "1"}
        before = {name: os.environ[name] for name in changes if name in os.environ}
        os.environ.update(changes)
        forkserver.set_forkserver_preload(PRELOADED if sys.platform == "linux" else [])
        try:
            with _ctrl_c_is_for_the_run():
                forkserver.ensure_running()
        finally:
            for name in changes.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)


def stop_server() -> None:
    """End it: what is started next may be of other code."""
    with _one_at_a_time:
        forkserver._forkserver._stop()  # type: ignore[attr-defined]  # noqa: SLF001


class Process(ForkServerProcess):
    """A process that one may start too that ends with its parent, as workers of Dask do: so do these."""

    def start(self) -> None:
        """Start it."""
        ours = current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001
        is_daemon = ours.pop("daemon", None)
        try:
            super().start()
        finally:
            ours["daemon"] = is_daemon


class Context(ForkServerContext):
    """Starts processes as ``_launch`` does."""

    def Process(self, *arguments: Any, **options: Any) -> ForkServerProcess:  # type: ignore[override]  # noqa: N802
        """Make one."""
        process = Process(*arguments, **options)
        process._Popen = _launch  # type: ignore[assignment, method-assign]  # noqa: SLF001
        return process


def _launch(process: ForkServerProcess) -> Popen:
    """Start a process that does not run again what was started as this one, which may be a Prefect worker."""
    with _one_at_a_time, _ctrl_c_is_for_the_run():
        main = sys.modules["__main__"]
        try:
            sys.modules["__main__"] = ModuleType("__main__")
            return Popen(process)
        finally:
            sys.modules["__main__"] = main


@contextmanager
def _ctrl_c_is_for_the_run() -> Iterator[None]:
    """Keep SIGINT from processes that are started in the block: the run ends them."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def become_ready(shared: Any) -> None:
    """Import what scoring needs, in a process that was started for it, and say nothing: complaints become reasons in rows."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    import ai_edge_litert.interpreter  # noqa: F401
    import cv2

    from pipeline.scoring import page  # noqa: F401

    cv2.setNumThreads(1)  # as many processes as cores
    os.dup2(nowhere, 2)
    notes.append(shared)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.freeze()  # what was imported is never searched for cycles again


def beside(task: Callable[[], Result]) -> Callable[[], Result]:
    """Do a task in a process of its own, and give what waits for its result: this one does it where that one ends without."""
    receiver, sender = Pipe(duplex=False)

    def start() -> None:  # which takes a hundredth of a second
        with sender, suppress(OSError, EOFError):
            Context().Process(target=_tell, args=(sender, task), daemon=True).start()

    starting = threading.Thread(target=start)
    starting.start()

    def result() -> Result:
        starting.join()
        with receiver, suppress(OSError, EOFError):
            return cast("Result", receiver.recv())
        return task()

    return result


def _tell(sender: "Connection[Any, Any]", task: Callable[[], Any]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(PipelineError):  # which the other one will find, and say
        sender.send(task())


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
    os._exit(0)


def work(task: Task[Result], shard: Shard, slot: int) -> Result:
    """Do a task for a shard, and note which page is begun."""
    (shared,) = notes
    shared[3 * slot + PROCESS] = os.getpid()

    def begin(file: int, page: int, _start: bytes) -> None:
        shared[3 * slot + FILE], shared[3 * slot + PAGE] = file, page

    return task(shard, begin)
