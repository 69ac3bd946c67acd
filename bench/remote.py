"""How long scoring waits for a team's remotes, there and away: part of ``make bench-scoring``.

Whole commands in turn, on a batch that was scored before, in a clone whose Git and DVC remotes are folders.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.tables import replace_table
from pipeline import layout, params
from pipeline.datasets import sample
from pipeline.registry import contents

IMAGES = 200
REPEATS = 5


def main() -> None:
    """Measure, and write the table into docs/benchmarks.md."""
    contents.load("champion")
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as mute:
        place = Path(name)
        clone, hub = place / "clone", place / "hub.git"
        _run(Path(), "git", "clone", "--quiet", "--bare", ".", str(hub))
        _run(Path(), "git", "clone", "--quiet", str(hub), str(clone))
        shutil.copytree(".dvc/cache", clone / ".dvc/cache")
        sample.cut(layout.ARRAYS, clone / layout.INBOX / "batch", count=IMAGES)
        _score(clone)

        addresses = {
            "no team": "",
            "there, nothing new": str(hub),
            "refuse": "git://127.0.0.1:1/hub.git",
            "hang": f"git://127.0.0.1:{mute.getsockname()[1]}/hub.git",
        }
        team = f"[core]\n    remote = team\n['remote \"team\"']\n    url = {place / 'objects'}\n"
        taken: dict[str, list[float]] = {what: [] for what in addresses}
        said: dict[str, int] = {}
        for _ in range(REPEATS):
            for what, address in addresses.items():
                (clone / ".dvc/config.local").write_text(team if address else "")
                _run(clone, "git", "remote", "set-url", "origin", address or str(hub))
                began = time.monotonic()
                said[what] = _score(clone).count("out of reach")
                taken[what].append(time.monotonic() - began)
    base = median(taken["no team"])
    limit = params.load(layout.PARAMS).score.remote_seconds
    lines = [
        "| the remotes | seconds | more than no team | at most | `score.remote_seconds` | times said |",
        "|---|---|---|---|---|---|",
        *(
            f"| {what} | {median(seconds):.2f} | {median(seconds) - base:.2f} | {max(seconds) - base:.2f} | "
            f"{f'{limit:.0f}' if said[what] else ''} | {said[what]} |"
            for what, seconds in taken.items()
        ),
    ]
    replace_table("remote", "\n".join(lines))


def _score(clone: Path) -> str:
    done = _run(clone, sys.executable, "-m", "pipeline", "score", str(layout.INBOX / "batch"), "--json")
    assert json.loads(done.stdout)["rows"] == IMAGES  # noqa: S101
    return done.stderr


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


if __name__ == "__main__":
    main()
