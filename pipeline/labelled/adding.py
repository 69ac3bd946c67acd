"""Copying labelled scans to where the next training finds them."""

import json
import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline import atomic, layout
from pipeline.datasets.own import LABEL_OF_NONE
from pipeline.errors import PipelineError
from pipeline.labelled import exports, labels
from pipeline.labelled.choosing import TRACKED
from pipeline.names import shown
from pipeline.params import Score
from pipeline.scoring.listing import list_folder, name_some

NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
# Says where the scans of a folder are from, and when they came.
ORIGIN = "origin.json"
MOST_REASONS = 10


@dataclass(frozen=True)
class Added:
    """What was copied into ``folder``: how many labels there are of each digit and of none, and what was left, in words."""

    folder: Path
    digits: list[int]
    left: list[tuple[str, str]]

    @property
    def for_git(self) -> str:
        """Say what is to be committed."""
        table = labels.beside(self.folder)
        files = [f"{self.folder}{TRACKED}", *([str(table)] if table.exists() else []), str(layout.LABELLED / ".gitignore")]
        return (
            f"tracked by `dvc add {self.folder}`: commit {', '.join(files[:-1])} and {files[-1]}. `dvc repro` trains on them."
        )

    def __str__(self) -> str:
        """Say it in lines."""
        of_each = [
            f"{count:,} that show no digit" if label == LABEL_OF_NONE else f"{count:,} of {label}"
            for label, count in enumerate(self.digits)
            if count
        ]
        lines = [f"{sum(self.digits):,} labelled scans copied into {self.folder}: {', '.join(of_each)}"]
        by_reason: dict[str, list[str]] = defaultdict(list)
        for name, reason in self.left:
            by_reason[reason].append(name)
        most = sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
        lines += [f"warning: {len(names):,} left: {reason}: {name_some(names)}" for reason, names in most[:MOST_REASONS]]
        if rest := sum(len(names) for _, names in most[MOST_REASONS:]):
            lines.append(f"warning: {rest:,} more left, for other reasons")
        return "\n".join(lines)


def add(source: Path, name: str, settings: Score) -> Added:
    """Copy the labelled scans of a folder, a CSV or an export into ``data/labelled/NAME``, all of them or none.

    The pictures of a file lie in its folder, or below. Raises PipelineError, also where there is such a name already.
    """
    target = named(name)
    if taken := next(filter(os.path.lexists, (target, layout.LABELLED / f"{name}{TRACKED}", labels.beside(target))), None):
        raise PipelineError(f"{shown(taken)}: exists already, and nothing is overwritten. Name another: --as {name}-2.")
    folder = source if source.is_dir() else source.with_suffix("") if labels.is_table(source) else source.parent
    listing = list_folder(folder, settings.image_suffixes, layout.LABELLED)
    paths = [path for path, *_ in listing]
    table = (labels.table_of(source) or exports.find(source)) if source.is_dir() else source
    written = labels.of_lines(exports.read(table, paths), paths, shown(table.name)) if table else labels.read(folder, paths)
    found = [(*place, label) for place, label in sorted(written.given.items()) if isinstance(label, int)]
    left = written.wrong + [(shown(path), why) for (path, _), why in written.given.items() if isinstance(why, str)]
    labelled = {path for path, _ in written.given}
    left += [(shown(path), written.otherwise) for path in paths if path not in labelled]
    if not found:
        links = f", but {listing.symbolic_links} symbolic links, which are not followed" if listing.symbolic_links else ""
        why = f": {left[0][0]}: {left[0][1]}" if left else f", nor any picture{links}"
        raise PipelineError(
            f"{shown(source)}: no labelled scan{why}. Name a folder with folders 0 to 9 or a labels.csv, a CSV with "
            f"`file,label`, or an export of Label Studio or CVAT."
        )
    with atomic.replacing(target) as temporary:
        _copy(folder, dict.fromkeys(path for path, _, _ in found), temporary)
        if table:
            write_table(target, found)
        write_origin(temporary, shown(source.resolve()))
    return Added(target, count(label for _, _, label in found), left)


# A file, its page or ALL_PAGES, and its label.
Labelled = tuple[bytes, int, int]


def named(name: str) -> Path:
    """Give the place of a folder of scans. Raises PipelineError for what is no name of one."""
    target = layout.LABELLED / name
    if not NAME.fullmatch(name) or target.suffix in (TRACKED, ".csv"):
        raise PipelineError(
            f"{shown(name)}: no name for a folder of scans. Use letters, digits, `-` and `_`, as in forms-2026."
        )
    return target


def write_table(folder: Path, found: Iterable[Labelled]) -> None:
    """Write the labels of the scans of a folder beside it, for Git: DVC keeps the scans. Raises PipelineError."""
    lines = ((path, page, labels.written(label)) for path, page, label in found)
    atomic.write_text(labels.beside(folder), labels.to_csv(lines))


def write_origin(folder: Path, source: str) -> None:
    """Write where the scans of a folder are from. Raises PipelineError."""
    origin = {"from": source, "added": f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"}
    atomic.write_text(folder / ORIGIN, json.dumps(origin) + "\n")


def count(found: Iterable[int]) -> list[int]:
    """Count the labels of each digit, and of none."""
    digits = Counter(found)
    return [digits[label] for label in range(LABEL_OF_NONE + 1)]


def _copy(folder: Path, paths: Iterable[bytes], target: Path) -> None:
    start = os.fsencode(folder)
    for path in paths:
        place = Path(os.fsdecode(os.path.join(os.fsencode(target), path)))  # noqa: PTH118 - a path of any bytes
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(os.path.join(start, path), place)  # noqa: PTH118
        except OSError as error:
            if error.errno in atomic.NO_ROOM:
                raise
            raise PipelineError(f"{shown(path)}: {error.strerror}. Nothing was copied; mend it and run again.") from None
