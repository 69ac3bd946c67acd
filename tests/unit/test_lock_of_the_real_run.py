"""The committed results: they must be MNIST's, and belong to the code and the settings committed beside them."""

import json
import subprocess
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.registry import contents

ROOT = Path(__file__).parents[2]


def committed(path: str) -> bytes:
    done = subprocess.run(["git", "show", f"HEAD:./{path}"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the project's Git repository: {done.stderr.decode().strip()}")
    return done.stdout


def md5(path: str) -> str:
    return contents.md5(committed(path))


def md5_of_code(path: str) -> str:
    if path.endswith(".py"):
        return md5(path)
    names = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "--name-only", "HEAD", path], cwd=ROOT, capture_output=True, check=True
    )
    files = names.stdout.decode().rstrip("\0").split("\0")
    return md5_of_folder({file.removeprefix(f"{path}/"): md5(file) for file in files})


def md5_of_folder(hashes: dict[str, str]) -> str:
    """Hash a folder as DVC does, by the hashes of its files."""
    listed = [{"md5": hashes[name], "relpath": name} for name in sorted(hashes)]
    return f"{contents.md5(json.dumps(listed).encode())}.dir"


def recorded_hash(stages: dict[str, Any], stage: str, output: str) -> str:
    return str(next(out["md5"] for out in stages[stage]["outs"] if out["path"] == output))


@pytest.fixture(scope="module")
def stages() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(committed("dvc.lock").decode())["stages"]
    return loaded


def test_the_committed_run_was_made_by_the_committed_code(stages: dict[str, Any]) -> None:
    for stage in stages.values():
        for dep in stage["deps"]:
            if dep["path"].startswith("pipeline/"):
                assert md5_of_code(dep["path"]) == dep["md5"], f"{dep['path']} changed: run `dvc repro` on MNIST and commit all"


def test_the_committed_run_had_the_committed_settings(stages: dict[str, Any]) -> None:
    settings = YAML(typ="safe").load(committed("params.yaml").decode())

    recorded = {key: value for stage in stages.values() for key, value in stage["params"]["params.yaml"].items()}
    assert recorded == {key: reduce(getitem, key.split("."), settings) for key in recorded}
    assert recorded["train.architecture"] == "compact"


def test_the_committed_curves_and_plots_are_those_of_the_committed_run(stages: dict[str, Any]) -> None:
    names = ("classes.csv", "confusion.csv", "reliability.csv", "slices.csv")

    assert md5("metrics/learning_curves.csv") == recorded_hash(stages, "train", "metrics/learning_curves.csv")
    assert md5_of_folder({name: md5(f"plots/{name}") for name in names}) == recorded_hash(stages, "evaluate", "plots")


def test_the_committed_metrics_are_those_of_mnist(stages: dict[str, Any]) -> None:
    metrics = json.loads(committed("metrics/evaluation.json"))

    assert (metrics["dataset"], metrics["images"]) == ("mnist", 10_000)
    for file in ("metrics/evaluation.json", "metrics/slices.json"):
        assert md5(file) == recorded_hash(stages, "evaluate", file)
