"""The inbox: which batches are in it, and whether somebody is still copying into one."""

import os
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pipeline import layout
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Score
from pipeline.scoring.kinds import is_archive, is_kept_by_a_system

# Whoever copies a batch may say with it that nothing more comes: for an archive, beside it, after its name.
READY = ".ready"


@dataclass(frozen=True)
class Inbox:
    """The batches of the inbox, folders and archives, by name, and what lies beside them and belongs to none."""

    batches: list[Path]
    loose: list[Path]


@dataclass(frozen=True)
class Glance:
    """What lies below a batch at some time: when it last changed, in nanoseconds, and a sum that changes with it."""

    newest: int
    sum: int


def look_into(inbox: Path) -> Inbox:
    """List the inbox. What is hidden, which may be half copied, and what systems keep there, is left alone.

    Raises PipelineError when it cannot be read, or when what is scored would land in it.
    """
    place, scores = inbox.resolve(), layout.SCORES.resolve()
    if scores.is_relative_to(place) or place.is_relative_to(scores):
        raise PipelineError(f"{shown(inbox)}: no inbox, for what is scored goes to {layout.SCORES}. Name another folder.")
    try:
        visible = sorted(path for path in inbox.iterdir() if not is_kept_by_a_system(os.fsencode(path.name)))
    except FileNotFoundError:
        return Inbox([], [])
    except OSError as error:
        raise PipelineError(f"{shown(inbox)}: cannot be read: {error.strerror}. Make it readable and run again.") from error
    is_batch = {path: (path.is_dir() or is_archive(os.fsencode(path))) and not path.is_symlink() for path in visible}
    batches = [path for path in visible if is_batch[path]]
    marks = {_mark(batch) for batch in batches}
    return Inbox(batches, [path for path in visible if not is_batch[path] and path not in marks])


def waits_for(batch: Path, settings: Score) -> str:
    """Say what a batch waits for before it is scored, or nothing when it waits for nothing any more.

    Where something changed within the last ``score.quiet_seconds``, it waits for so long and looks again: the clock of the
    machine that copies may be another.
    """
    mark = _mark(batch)
    if mark.exists():
        return ""
    if settings.inbox_waits_for == "ready":
        return f"waits for a file {READY} in it" if batch.is_dir() else f"waits for a file {shown(mark.name)} beside it"
    first = _glance(batch)
    if time.time_ns() - first.newest >= settings.quiet_seconds * 1e9:
        return ""
    time.sleep(settings.quiet_seconds)
    return "" if _glance(batch) == first else f"is still being copied: something changed within {settings.quiet_seconds:g} s"


def _mark(batch: Path) -> Path:
    """Give the file that says that nothing more comes."""
    return batch / READY if batch.is_dir() else batch.with_name(batch.name + READY)


def _glance(batch: Path) -> Glance:
    """Look at everything below a batch, whatever it is: a copy under another name is a copy too."""
    newest = total = 0
    folder = os.fsencode(batch)
    for place, folders, files in chain([(folder, [], [])], os.walk(folder)):
        for path in (place, *(place + b"/" + name for name in (*folders, *files))):
            try:
                found = os.lstat(path)
            except OSError:  # gone meanwhile, or not to be looked at
                continue
            newest = max(newest, found.st_ctime_ns)
            total += hash((path, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return Glance(newest, total)
