"""The stages of ``dvc.yaml``: a module each, with a ``main()`` that reads its section of ``params.yaml``."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import layout
from pipeline.errors import PipelineError, exit_on_error

# What Python writes beside a module when it is first imported; `.dvcignore` leaves it out too.
CACHE = "__pycache__"
# The flows set this variable; nobody else needs to.
PROGRESS = "DIGITS_PROGRESS"
REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def tell(form: str, progress: Mapping[str, object]) -> None:
    """Say how far a stage is, in words, or where ``DIGITS_PROGRESS`` is set in a line of JSON that contains the words."""
    words = form.format(**progress)
    if os.environ.get(PROGRESS):
        print(json.dumps({"words": words, **progress}), flush=True)
    elif words:
        print(words, flush=True)


def run_as_process(name: str, stage: Callable[[], None]) -> None:
    """Run a stage as DVC does, in a process of its own. Exits 1 with one line for what a user can mend."""
    try:
        with exit_on_error(), _same_inputs(name):
            tell("", {"stage": name})
            stage()
    except KeyboardInterrupt:
        sys.exit(
            f"error: {name} was interrupted. Run it again, or bring the last results back with `dvc checkout` and "
            f"`git checkout metrics plots`."
        )


@contextmanager
def _same_inputs(name: str) -> Iterator[None]:
    """Raise PipelineError if a stage's inputs change in the block: DVC hashes them at its end, and would record the new."""
    before = _inputs(name)
    yield
    after = _inputs(name)
    if changed := [one for one in {**before, **after} if before.get(one) != after.get(one)]:
        raise PipelineError(f"{name}: changed while it ran: {', '.join(changed)}. Run `dvc repro` again.")


def _inputs(name: str) -> dict[str, object]:
    """Give the inputs of a stage by ``dvc.yaml``: the hash of each file, and the settings."""
    try:
        stage, settings = YAML(typ="safe").load(layout.STAGES)["stages"][name], YAML(typ="safe").load(layout.PARAMS)
        keys = [REFERENCE.sub(lambda found: str(_value(settings, found[1])), key) for key in stage.get("params", ())]
        values = {f"{key} in {layout.PARAMS}": _value(settings, key) for key in keys}
    except (OSError, YAMLError, KeyError, TypeError) as error:
        return {f"{layout.STAGES} or {layout.PARAMS}": str(error)}
    files = [file for path in stage["deps"] for file in (Path(path), *sorted(Path(path).rglob("*")))]
    return {**values, **{str(file): _hash(file) for file in files if CACHE not in file.parts}}


def _value(settings: dict[str, Any], key: str) -> object:
    return reduce(getitem, key.split("."), settings)


def _hash(file: Path) -> str:
    """Give the hash of a file, or the words of the system for a path that is no file."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "md5").hexdigest()
    except OSError as error:
        return str(error.strerror)
