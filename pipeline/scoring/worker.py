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
from pipeline.scoring.lines import Shard, lines_of


def main() -> None:
    """Say ``awake``; then answer files with their lines, a job with ``ready``, and each of its shards with its rows.

    Where that fails, the answer is ``failure``, a traceback.
    """
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
        answer(awake=True)
        while True:
            match json.loads(lines.get()):
                case {"look": {"folder": folder, "paths": paths}}:
                    found = lines_of(folder.encode("latin-1"), paths.encode("latin-1").split(b"\0"))
                    answer(lines=b"".join(found).decode("latin-1"))
                case {"job": job}:
                    scorer = Scorer(Job.of_json(job))
                    gc.freeze()  # what was imported is never searched for cycles again
                    answer(ready=True)
                case {"shard": shard}:
                    answer(**asdict(scorer.score(Shard(**shard))))
    except Exception:  # noqa: BLE001 - it becomes an answer, which the run that asked raises
        answer(failure=traceback.format_exc())


def _listen(lines: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
