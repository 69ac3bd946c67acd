"""A process that scores shards: told what on standard input, a line of JSON each, and answering on standard output.

Started as ``python -m pipeline.scoring.worker``. A crash in it ends nothing else, and it ends itself when its standard input
does: with the run that started it, however that one ended.
"""

import gc
import json
import os
import queue
import signal
import sys
import threading
import traceback
from dataclasses import asdict
from typing import Any

from pipeline.scoring.job import Job
from pipeline.scoring.lines import Shard


def main() -> None:
    """Answer the job with ``ready``, then each shard with its rows; with ``failure``, a traceback, where that fails."""
    # Ctrl-C is for the run, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # where native libraries may write
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=[lines], daemon=True).start()

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    try:
        import cv2

        from pipeline.scoring.scorer import Scorer

        cv2.setNumThreads(1)  # as many workers as cores
        scorer = Scorer(Job.from_json(lines.get()))
        gc.freeze()  # what was imported is never searched for cycles again
        answer(ready=True)
        while True:
            answer(**asdict(scorer.score(Shard(**json.loads(lines.get())))))
    except Exception:  # noqa: BLE001 - the run that started this process raises it
        answer(failure=traceback.format_exc())


def _listen(lines: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
