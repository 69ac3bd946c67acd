"""The committed results: they must be MNIST's, and belong to the code and the settings committed beside them."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


def committed(path: str) -> bytes:
    done = subprocess.run(["git", "show", f"HEAD:./{path}"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the project's Git repository: {done.stderr.decode().strip()}")
    return done.stdout


def md5(path: str) -> str:
    return hashlib.md5(committed(path), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(committed("dvc.lock").decode())["stages"]
    return loaded


def test_the_committed_run_was_made_by_the_committed_code(stages: dict[str, Any]) -> None:
    for stage in stages.values():
        for dep in stage["deps"]:
            if dep["path"].endswith(".py"):
                assert md5(dep["path"]) == dep["md5"], f"{dep['path']} changed: run `dvc repro` on MNIST and commit its results"


def test_the_committed_metrics_are_those_of_mnist(stages: dict[str, Any]) -> None:
    metrics = json.loads(committed("metrics/evaluation.json"))

    assert (metrics["dataset"], metrics["images"]) == ("mnist", 10_000)
    assert md5("metrics/evaluation.json") == next(
        out["md5"] for out in stages["evaluate"]["outs"] if out["path"] == "metrics/evaluation.json"
    )
