"""Changing labels in a table: only lines that change are written anew, all others stay byte for byte."""

import codecs
import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline import atomic, layout
from pipeline.labelled import labels
from pipeline.labelled.labels import ALL_PAGES
from pipeline.params import Score
from pipeline.scoring.listing import list_folder
from pipeline.scoring.row import name_in_csv

# A file by its path, and a page of it, from 1.
Place = tuple[bytes, int]


def change(folder: Path, changes: Mapping[Place, str], pages: Mapping[bytes, int], settings: Score) -> Path:
    """Give some pictures of a folder other labels, and give the table that says so.

    ``changes``: the new labels; ``pages``: how many each file of these has. A table in a folder below ``data/labelled``, which
    DVC keeps, moves beside it, where Git shows what changes. Where the labels are the names of folders, a table of all pictures
    is made, since it counts in place of these from then on. Raises PipelineError.
    """
    table = labels.table_of(folder)
    place = labels.beside(folder) if _is_collected(folder) else table or folder / labels.FILE
    if table:
        content = table.read_bytes()
    else:
        given = labels.read(folder, [path for path, *_ in list_folder(folder, settings.image_suffixes, place)]).given
        found = {named: label for named, label in sorted(given.items()) if isinstance(label, int)}
        content = labels.to_csv((*named, labels.written(label)) for named, label in found.items()).encode()
    with atomic.replacing(place) as temporary:
        temporary.write_bytes(_changed(content, changes, pages))
    if table and table != place:
        table.unlink()
    return place


def _is_collected(folder: Path) -> bool:
    return folder.resolve().parent == layout.LABELLED.resolve()


def _changed(content: bytes, changes: Mapping[Place, str], pages: Mapping[bytes, int]) -> bytes:
    mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    lines = list(io.StringIO(content.decode("utf-8-sig"), newline=""))
    delimiter = max(labels.DELIMITERS, key=lines[0].count)
    ending = lines[0][len(lines[0].rstrip("\r\n")) :] or "\n"
    rows = csv.reader(lines, delimiter=delimiter)
    names = [name.strip().lower() for name in next(rows)]
    spelled = {
        (spelling, page): (path, one)
        for path, one in changes
        for spelling in (name_in_csv(path), path.decode("utf-8", "surrogateescape"))
        for page in ((one, ALL_PAGES) if pages.get(path, 1) == 1 else (one,))
    }
    kept, left, start = lines[: rows.line_num], dict(changes), rows.line_num
    for row in rows:
        chunk, start = lines[start : rows.line_num], rows.line_num
        values = dict(zip(names, row, strict=False))
        found = labels.PAGE.fullmatch(values.get("page", ""))
        place = spelled.get((values.get("file", ""), int(found[1]) if found else ALL_PAGES))
        if place is None:
            kept += chunk
            continue
        left.pop(place, None)
        row[names.index("label")] = changes[place]
        kept.append(_line(row, delimiter, ending))
    if left and kept and not kept[-1].endswith(("\n", "\r")):
        kept[-1] += ending
    if left and "page" not in names:
        kept[0] = kept[0].rstrip("\r\n") + delimiter + "page" + ending
        names.append("page")
    for (path, page), label in sorted(left.items()):
        values = {"file": name_in_csv(path), "label": label, "page": str(page)}
        kept.append(_line([values.get(name, "") for name in names], delimiter, ending))
    return mark + "".join(kept).encode("utf-8", "surrogateescape")


def _line(row: Iterable[str], delimiter: str, ending: str) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, delimiter=delimiter, lineterminator=ending).writerow(row)
    return line.getvalue()
