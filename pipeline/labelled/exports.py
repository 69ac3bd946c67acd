"""Classifications as labelling tools export them: Label Studio's JSON and JSON-MIN, and CVAT's XML ("CVAT for images")."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

from pipeline.errors import PipelineError
from pipeline.labelled.labels import ALL_PAGES, DIGITS, Line, read_table
from pipeline.names import shown

CVAT = "annotations.xml"
# Label Studio writes this before the names of files that were uploaded to it.
MARK = re.compile("^[0-9a-f]{8}-")
Resolve = Callable[[str], str | None]


def find(folder: Path) -> Path | None:
    """Find the export of a labelling tool in a folder that has no folders 0 to 9."""
    if any((folder / digit).is_dir() for digit in DIGITS):
        return None
    some = sorted(folder.glob("*.json"))
    return next(filter(Path.is_file, [folder / CVAT, *(some if len(some) == 1 else [])]), None)


def read(file: Path, paths: Iterable[bytes]) -> Iterator[Line]:
    """Yield the lines of a table or an export; the files that it names are found among ``paths``. Raises PipelineError."""
    if file.suffix.lower() == ".csv":
        yield from read_table(file)
        return
    resolve = _among(paths)
    try:
        if file.suffix.lower() == ".xml":
            yield from _of_cvat(ET.parse(file).getroot(), resolve)  # noqa: S314 - expat bounds what entities become
        else:
            yield from _of_label_studio(json.loads(file.read_text(encoding="utf-8-sig")), resolve)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ET.ParseError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PipelineError(
            f"{shown(file)}: no export of classifications by Label Studio (JSON) or CVAT (XML): {reason}. Export it again, or "
            f"name a CSV with `file,label`."
        ) from None


def _of_cvat(root: ET.Element, resolve: Resolve) -> Iterator[Line]:
    for image in root.iter("image"):
        name = image.attrib["name"]
        for tag in image.iter("tag"):
            values = [attribute.text or "" for attribute in tag.iter("attribute")]
            yield resolve(name) or name, ALL_PAGES, values[0] if len(values) == 1 else tag.attrib["label"]


def _of_label_studio(tasks: list[dict[str, Any]], resolve: Resolve) -> Iterator[Line]:
    for task in tasks:
        data = task.get("data", task)
        named = [text for text in data.values() if isinstance(text, str)]
        name = next(filter(None, map(resolve, named)), None) or str(
            data.get("image", next(iter(named), "a task without a file"))
        )
        if "annotations" not in task:
            labels = [data["choice"]] if "choice" in data else []
        else:
            results = [one["result"] for one in task["annotations"] if not one.get("was_cancelled")]
            labels = [", ".join(one["value"]["choices"]) for some in results for one in some if "choices" in one["value"]]
        for label in labels:
            yield name, ALL_PAGES, str(label)


def _among(paths: Iterable[bytes]) -> Resolve:
    """Give the function that finds the file that a tool names by an address, or by a path from elsewhere."""
    known = {path.decode("utf-8", "surrogateescape") for path in paths}
    count = Counter(path.rpartition("/")[2] for path in known)
    by_name = {name: path for path in known if count[name := path.rpartition("/")[2]] == 1}

    def resolve(reference: str) -> str | None:
        address = urlsplit(reference)
        local = parse_qs(address.query).get("d")  # a file that Label Studio served from a folder
        for text in (reference, local[0] if local else unquote(address.path)):
            parts = text.replace("\\", "/").split("/")
            found = next((rest for start in range(len(parts)) if (rest := "/".join(parts[start:])) in known), None)
            if found := found or by_name.get(parts[-1]) or by_name.get(MARK.sub("", parts[-1])):
                return found
        return None

    return resolve
