"""What ``dvc.lock`` vouches for: the hash of an output, by DVC's own rule for folders."""

import hashlib
import json
from pathlib import Path

from ruamel.yaml import YAML

from pipeline import layout
from pipeline.errors import PipelineError


def recorded_hash(lock: str, output: Path) -> str | None:
    """Find the hash of an output in the text of a ``dvc.lock``; None where it names none."""
    stages = (YAML(typ="safe").load(lock) or {}).get("stages", {})
    outs = (out for stage in stages.values() for out in stage.get("outs", ()))
    return next((str(out["md5"]) for out in outs if out["path"] == output.as_posix()), None)


def require_recorded(folder: Path) -> None:
    """Raise PipelineError when a file of an output is not the one of ``dvc.lock``; where either is missing, nothing is held."""
    if not (layout.LOCK.is_file() and folder.is_dir()):
        return
    recorded = recorded_hash(layout.LOCK.read_text(encoding="utf-8"), folder)
    found = folder_hash(folder)
    if recorded not in (None, found):
        raise PipelineError(
            f"{folder}: its hash is {found[:8]}…, {layout.LOCK} says {str(recorded)[:8]}…: refused. Bring that one back with "
            f"`dvc checkout --force {folder}`, or make it anew with `dvc repro`."
        )


def folder_hash(folder: Path) -> str:
    """Hash a folder as DVC does: the md5 of the JSON of its files' names and md5s, in the order of the names."""
    files = sorted((path.relative_to(folder).parts, path) for path in folder.rglob("*") if path.is_file())
    entries = [{"md5": md5(path.read_bytes()), "relpath": "/".join(parts)} for parts, path in files]
    return f"{md5(json.dumps(entries).encode())}.dir"


def md5(content: bytes) -> str:
    """Hash the bytes of a file as DVC does."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
