"""What is published of the recipes, on MNIST itself."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import MNIST, Project, copy_project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MNIST, reason="needs MNIST: set DIGITS_MNIST_MIRROR"),
]


@pytest.fixture(scope="module")
def mnist_project(fresh_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with MNIST's arrays, and no model. Not to be changed."""
    project = copy_project(fresh_project, tmp_path_factory.mktemp("mnist"))
    project.set(ingest__dataset="mnist")
    project.dvc("repro", "reshape", DIGITS_MNIST_MIRROR=MNIST)
    project.git("commit", "--quiet", "--all", "--message", "Take MNIST")
    return project


def metrics_of(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.root / "metrics/evaluation.json").read_text())
    return found


def test_the_published_accuracy_is_reached(mnist_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(mnist_project)

    # By one thread: two would take a fifth more of the cores for it, and other tests have use for one.
    project.dvc("exp", "run", "-S", "train.architecture=plain", "-S", "train.epochs=10", TF_NUM_INTRAOP_THREADS="1")

    metrics = metrics_of(project)
    assert metrics["dataset"] == "mnist"
    # 98.39 % was published; the spread between machines and seeds is about 0.1 points.
    assert metrics["accuracy"] >= 0.982


def test_the_default_recipe_is_far_better(mnist_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(mnist_project)
    project.set(train__architecture="compact", train__epochs=None)

    project.dvc("repro")

    metrics = metrics_of(project)
    # 99.58 to 99.65 % was measured; the margin is for other machines.
    assert metrics["accuracy"] >= 0.995
    assert metrics["ece"] <= 0.003
    assert metrics["acc_at_98"] >= 0.998
    # At the first look both have the same accuracy, but for 0.0002; the second look, which Keras is not asked for, adds to it.
    assert metrics["keras_agreement"] >= 0.9998
    assert metrics["accuracy"] >= metrics["keras_accuracy"] - 0.0002
