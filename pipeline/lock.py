"""What a ``dvc.lock`` vouches for: the hashes of outputs, as DVC makes them."""

import hashlib
from pathlib import Path

from ruamel.yaml import YAML


def recorded_hash(lock: str, output: Path) -> str | None:
    """Find the hash of an output in the text of a ``dvc.lock``; None where it names none."""
    stages = (YAML(typ="safe").load(lock) or {}).get("stages", {})
    outs = (out for stage in stages.values() for out in stage.get("outs", ()))
    return next((str(out["md5"]) for out in outs if out["path"] == output.as_posix()), None)


def md5(content: bytes) -> str:
    """Hash the bytes of a file as DVC does."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
