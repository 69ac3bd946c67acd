"""Labels that are likely wrong, of own scans or of the data set, on a sheet where a person settles them.

The folder of an audit is like that of a scored batch, but a row has the given label, how likely that is to a model that never
saw the picture, and what that reads in its place: so the pages of a batch show it, and people key it.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline import atomic, layout
from pipeline.datasets import dataset, raw
from pipeline.datasets.own import NONE, TRAIN, VALIDATION
from pipeline.digits.arrays import Floats, Labels
from pipeline.digits.network import networks
from pipeline.digits.network.learning import training
from pipeline.errors import PipelineError
from pipeline.labelled import labels
from pipeline.labelled.editing import Place
from pipeline.labelled.labels import ALL_PAGES, DIGITS
from pipeline.names import shown
from pipeline.params import Params
from pipeline.quality import folds, label_errors
from pipeline.quality.label_errors import Found
from pipeline.registry import contents, serving, versions
from pipeline.registry.contents import ScoringModel
from pipeline.scoring import batch as batches
from pipeline.scoring import database, export, run
from pipeline.scoring import manifest as manifests
from pipeline.scoring.batch import Options
from pipeline.scoring.row import PROBABILITIES, csv_lines, name_in_csv
from pipeline.scoring.store import Store, opened

CSV = "label-errors.csv"
COLUMNS = ("file", "page", "label", "probability", "suggested", "suggested_probability", "likely_wrong")
REASON = "label likely wrong"
PICTURES = "images"
# Of the data set, so many pictures are on the sheet at least.
LEAST_SHOWN = 200
# The version of a network that was trained for an audit alone.
UNREGISTERED = "unregistered"

Say = Callable[[str], None]
Progress = Callable[[], AbstractContextManager[run.Tell]]


@dataclass(frozen=True)
class Audit:
    """An audit in the folder ``out``: a line of the CSV for each label, the least likely first; how many are likely wrong.

    ``left``: pictures that have no label of a digit, or cannot be read.
    """

    out: Path
    lines: list[tuple[str, ...]]
    likely: int
    left: int


def of_folder(folder: Path, out: Path, settings: Params, say: Say, progress: Progress) -> Audit:
    """Audit the labels of a folder of scans by the newest model that learned none of them. Raises PipelineError.

    Where every model did, one is trained on the data set alone, which takes minutes.
    """
    for model, learned in _models(settings, say):
        _score(folder, out, model, settings, progress)
        if not learned & _keys(out):
            break
    places, probabilities, left = _read(out)
    written = labels.read(folder, dict.fromkeys(path for path, _ in places))
    given = [written.of(*place) for place in places]
    chosen = [number for number, label in enumerate(given) if isinstance(label, int) and str(label) in DIGITS]
    if not chosen:
        raise PipelineError(f"{shown(folder)}: no labelled scan{f': {given[0]}' if given else ' that can be read'}.")
    known = np.array([given[number] for number in chosen], np.uint8)
    found = label_errors.find(known, label_errors.suited(known, probabilities[chosen]))
    lines = _lines([places[number] for number in chosen], known, found)
    about = {"folder": str(folder), "words": shown(folder), "labels": len(known)}
    return _conclude(out, folder, lines, found, about, left + len(given) - len(chosen))


def of_dataset(out: Path, settings: Params, say: Say, progress: Progress) -> Audit:
    """Audit the labels of the data set: each part of its images by a network that the others trained. Raises PipelineError."""
    data = raw.read(layout.RAW)
    images = np.concatenate([data.train_images, data.test_images])[..., np.newaxis]
    known = np.concatenate([data.train_labels, data.test_labels])
    places = [
        (f"{split}-{number:05d}.png".encode(), 1)
        for split, count in (("train", len(data.train_labels)), ("test", len(data.test_labels)))
        for number in range(count)
    ]
    probabilities, network = folds.out_of_sample(images, known, settings.train, _teller(say))
    found = label_errors.find(known, probabilities)
    lines = _lines(places, known, found)
    pictures, some = out / PICTURES, found.order[: max(LEAST_SHOWN, int(found.is_likely_wrong.sum()))]
    with atomic.replacing(pictures) as temporary:
        temporary.mkdir(parents=True)
        for number in some:
            name = places[number][0].decode()
            (temporary / name).write_bytes(cv2.imencode(".png", 255 - images[number, ..., 0])[1].tobytes())
        (temporary / labels.FILE).write_text(
            labels.to_csv((places[one][0], ALL_PAGES, str(known[one])) for one in sorted(some))
        )
    _score(pictures, out, _model(data.dataset, network), settings, progress)
    about = {"folder": str(pictures), "words": data.dataset, "labels": len(known)}
    return _conclude(out, pictures, lines, found, about, 0)


def _models(settings: Params, say: Say) -> Iterator[tuple[ScoringModel, set[int]]]:
    """Yield the champion, the other versions, the newest first, and one of the data set alone; each with what it learned."""
    champion = serving.model(versions.CHAMPION, settings.score.remote_seconds, say)
    yield champion, _learned(champion.version)
    for one in reversed(versions.registered()):
        if one.version != champion.version:
            yield contents.load(one.version), _learned(one.version)
    say("every model has learned some of these scans: a network is trained on the data set alone")
    data = dataset.read(layout.ARRAYS)
    model, _ = training.fit(data, NONE, settings.train, _teller(say))
    yield _model(data.name, networks.to_litert(model, data.train_images)), set()


def _model(data: str, content: bytes) -> ScoringModel:
    return ScoringModel(UNREGISTERED, content, hashlib.sha256(content).hexdigest(), data, temperature=1.0)


def _learned(version: str) -> set[int]:
    """Give the keys of the own scans that a version learned from. Raises PipelineError where they are out of reach."""
    found = versions.find(version)
    if not contents.has(found, layout.OWN):  # made before there were any
        return set()
    (content,) = contents.read(found, layout.OWN)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return set(arrays["keys"][np.isin(arrays["parts"], (TRAIN, VALIDATION))].tolist())


def _keys(out: Path) -> set[int]:
    with opened(out) as store:
        return {key for (key,) in store.execute("select distinct pixels >> 31 from row where pixels <> 0")}


def _teller(say: Say) -> training.Tell:
    return lambda values: say(training.EPOCH.format(**values))


def _score(folder: Path, out: Path, model: ScoringModel, settings: Params, progress: Progress) -> None:
    batch = batches.prepare(folder, out, model, settings.score, Options(fresh=True))
    with progress() as tell:
        run.score(batch, model, tell)


def _read(out: Path) -> tuple[list[Place], Floats, int]:
    """Give the pages that were read, and the probabilities of each, (N, 10); and how many were not."""
    with opened(out) as store:
        query = f"select path, page, {', '.join(PROBABILITIES)} from row where label is not null order by path, page"  # noqa: S608
        rows = store.execute(query).fetchall()
        ((left,),) = store.execute("select count(*) from row where label is null")
    chances = np.array([row[2:] for row in rows], np.float32).reshape(-1, 10) / np.float32(10_000)
    return [(path, page) for path, page, *_ in rows], chances, left


def _lines(places: Sequence[Place], known: Labels, found: Found) -> list[tuple[str, ...]]:
    """Give a line of the CSV for each label."""
    rows = np.arange(len(known))
    others = found.probabilities.copy()
    others[rows, known] = -1
    suggested = others.argmax(axis=1)
    each = zip(
        places,
        known.tolist(),
        found.probabilities[rows, known].tolist(),
        suggested.tolist(),
        others[rows, suggested].tolist(),
        found.is_likely_wrong.tolist(),
        strict=True,
    )
    return [
        (name_in_csv(path), str(page), str(label), f"{chance:.4f}", str(other), f"{likely:.4f}", "yes" if is_wrong else "no")
        for (path, page), label, chance, other, likely, is_wrong in each
    ]


def _rewrite(store: Store, lines: Mapping[tuple[str, int], tuple[str, ...]], model: str) -> None:
    """Give the rows the labels that were audited, and take away those that have none."""
    for path, page in store.execute("select path, page from row").fetchall():
        line = lines.get((name_in_csv(path), page))
        if line is None:
            store.execute("delete from row where path = ? and page = ?", [path, page])
            continue
        doubt = ("review", REASON) if line[-1] == "yes" else ("ok", "")
        (text,) = csv_lines([(*line[:-1], *doubt, model)])
        changed = [int(line[2]), float(line[3]), int(line[4]), float(line[5]), *doubt, text, path, page]
        store.execute(
            "update row set label = ?, confidence = ?, second_label = ?, second_confidence = ?, status = ?, reason = ?,"
            " line = ? where path = ? and page = ?",
            changed,
        )


def _conclude(
    out: Path, folder: Path, lines: list[tuple[str, ...]], found: Found, about: Mapping[str, Any], left: int
) -> Audit:
    """Write CSV and sheet of an audit whose pictures were scored into ``out``; ``about``: what the manifest says of it."""
    ordered = [lines[number] for number in found.order]
    likely = int(found.is_likely_wrong.sum())
    last = manifests.read(out)
    if last is None:
        raise PipelineError(f"{shown(out)}: its manifest went away. Run again.")
    with database.connected(out, is_written=True) as connection:
        store = Store(connection)
        with database.transaction(connection):
            _rewrite(store, {(line[0], int(line[1])): line for line in lines}, last.model)
        counts, answers = export.count_rows(store, last.files)
        manifest = replace(last, **counts, drift={}, suspicions={}, audit={**about, "likely": likely, "csv": CSV})
        fault = export.write_report(store, out, folder, lambda: manifest, manifest.rows, answers)
        manifest = replace(manifest, report_fault=fault)
        manifests.write(out, manifest)
        store.finish(manifest.to_json())
    for name in (export.SCORES, export.REVIEW):
        (out / name).unlink(missing_ok=True)
    atomic.write_text(out / CSV, "".join(csv_lines([COLUMNS, *ordered])))
    return Audit(out, ordered, likely, left)
