"""Which of a user's labelled scans a model can learn from, and why not the others."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets import own
from pipeline.datasets.own import Own
from pipeline.digits.arrays import Images
from pipeline.digits.field import FIELD
from pipeline.digits.pictures import traits
from pipeline.errors import PipelineError
from pipeline.labelled import labels, reading
from pipeline.labelled.reading import Scan
from pipeline.names import shown
from pipeline.params import Collect, Score
from pipeline.scoring.listing import list_folder

TRACKED = ".dvc"
README = "README.md"


@dataclass(frozen=True)
class Candidate:
    """A labelled scan, or a file that should have been one. ``name``: from the folder of them all; ``folder``: the first part.

    ``scan``: None where there is no such file. ``reason``: why it is left out, or an empty text.
    """

    folder: str
    name: str
    reason: str
    label: int = 0
    scan: Scan | None = None


def find(place: Path, settings: Score, say: Callable[[str], None], tell: reading.Tell) -> list[Candidate]:
    """Read the scans of every folder in ``place``. ``say`` is called with what was not looked into, in words.

    Raises PipelineError where a folder that DVC tracks is not there.
    """
    found: list[Candidate] = []
    for folder in sorted(place.iterdir()) if place.is_dir() else []:
        name = folder.name
        if name.startswith(".") or name == README or labels.is_table(folder):
            continue
        if folder.is_dir() and not folder.is_symlink():
            found += of_folder(folder, settings, say, tell)
        elif folder.suffix != TRACKED:
            found.append(Candidate("", shown(name), f"is no folder: {shown(place)} holds folders of labelled scans"))
        elif not folder.with_suffix("").exists():
            raise PipelineError(f"{shown(folder.with_suffix(''))}: not here. Fetch its scans with `dvc pull {shown(folder)}`.")
    return found


def of_folder(folder: Path, settings: Score, say: Callable[[str], None], tell: reading.Tell) -> list[Candidate]:
    """Read the scans of a folder."""
    listing = list_folder(folder, settings.image_suffixes, folder / labels.FILE)
    links = f"{listing.symbolic_links} symbolic links, which are not followed" if listing.symbolic_links else ""
    for words in filter(None, (listing.unreadable_words, listing.unread_words, links)):
        say(f"warning: {shown(folder)}: {words}")
    paths = [path for path, *_ in listing]
    written = labels.read(folder, paths)
    start = shown(folder.name)
    found = [Candidate(start, f"{start}/{name}", reason) for name, reason in written.wrong]
    for scan in reading.read(folder, paths, settings, tell):
        label = written.of(scan.path, scan.page)
        name = f"{start}/{shown(scan.path)}{f', page {scan.page}' if scan.page > 1 else ''}"
        if isinstance(label, str):
            found.append(Candidate(start, name, label, scan=scan))
        else:
            found.append(Candidate(start, name, scan.fault, label, scan))
    return found


def leave_out(candidates: Sequence[Candidate], test_images: Images, test_share: float) -> list[Candidate]:
    """Give a reason to each that is the same as another, or as a test image that models are compared on.

    ``test_images``: (N, 28, 28) uint8. Of scans that become the same field, one that is tested on is kept before
    others, so that it is never trained on.
    """
    tested = {image.tobytes(): number for number, image in enumerate(test_images)}
    same: dict[bytes, list[int]] = defaultdict(list)
    for number, one in enumerate(candidates):
        if one.scan and not one.reason:
            same[one.scan.field].append(number)
    left = list(candidates)
    for field, group in same.items():
        kept = min(group, key=lambda number: _order(candidates[number], test_share))
        is_disputed = len({candidates[number].label for number in group}) > 1
        for number in group:
            one = candidates[number]
            if field in tested:
                left[number] = replace(one, reason=f"is image {tested[field]} of the test set")
            elif is_disputed:
                other = next(candidates[other] for other in group if candidates[other].label != one.label)
                left[number] = replace(one, reason=f"stands under {one.label}, and as {other.name} under {other.label}")
            elif number != kept:
                left[number] = replace(one, reason=f"is a copy of {candidates[kept].name}")
    return left


def _order(one: Candidate, test_share: float) -> tuple[bool, str]:
    """Give what puts scans that are tested on first, and then goes by the name."""
    return one.scan is None or one.scan.key >= test_share * own.KEYS, one.name


def to_learn_from(candidates: Sequence[Candidate], settings: Collect) -> Own:
    """Put together what is not left out, in the order of the names, and choose what each is used for."""
    kept = sorted((one for one in candidates if not one.reason), key=lambda one: one.name)
    scans = [one.scan for one in kept if one.scan]
    keys = np.array([one.key for one in scans], np.uint32)
    labels_of_all = np.array([one.label for one in kept], np.uint8)
    parts = own.parts_of(keys, settings.test_share, settings.validation_share)
    parts[labels_of_all == own.LABEL_OF_NONE] = own.NO_DIGIT
    return Own(
        np.frombuffer(b"".join(one.field for one in scans), np.uint8).reshape(-1, FIELD, FIELD, 1),
        labels_of_all,
        keys,
        parts,
        np.array([one.is_odd for one in scans], np.bool_),
        np.array([one.is_cut for one in scans], np.bool_),
        np.frombuffer(b"".join(one.traits for one in scans), np.float16).reshape(-1, len(traits.NAMES)),
    )


def summarise(candidates: Sequence[Candidate], settings: Collect) -> dict[str, Any]:
    """Count, for all scans and for each folder: what they are used for, and how many there are of each digit."""
    by_folder: dict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        by_folder[one.folder].append(one)
    folders = {name: _count(some, settings) for name, some in sorted(by_folder.items())}
    return {
        **_count(candidates, settings),
        "test_set": to_learn_from(candidates, settings).test_set,
        "folders": folders,
    }


def _count(candidates: Sequence[Candidate], settings: Collect) -> Mapping[str, Any]:
    scans = to_learn_from(candidates, settings)
    parts = Counter(scans.parts.tolist())
    return {
        "scans": len(scans.labels) - parts[own.NO_DIGIT],
        "no_digit": parts[own.NO_DIGIT],
        **{name: parts[part] for name, part in (("train", own.TRAIN), ("validation", own.VALIDATION), ("test", own.TEST))},
        "left_out": len(candidates) - len(scans.labels),
        "digits": np.bincount(scans.labels, minlength=10)[: own.LABEL_OF_NONE].tolist(),
    }
