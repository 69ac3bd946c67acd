"""What ``dvc.lock`` vouches for: the hash of an output, by DVC's own rule for folders."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML


def recorded_hash(lock: str, output: Path) -> str | None:
    """Find the hash of an output in the text of a ``dvc.lock``; None where it names none."""
    stages = (YAML(typ="safe").load(lock) or {}).get("stages", {})
    outs = (out for stage in stages.values() for out in stage.get("outs", ()))
    return next((str(out["md5"]) for out in outs if out["path"] == output.as_posix()), None)


def folder_hash(files: Mapping[str, str]) -> str:
    """Hash a folder as DVC does: the md5 of the JSON of its files' names and md5s, in the order of the names."""
    entries = [{"md5": files[name], "relpath": name} for name in sorted(files, key=lambda name: name.split("/"))]
    return f"{md5(json.dumps(entries).encode())}.dir"


def md5(content: bytes) -> str:
    """Hash the bytes of a file as DVC does."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
