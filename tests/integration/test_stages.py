"""The stages under DVC: what runs again, what does not, and what an interruption leaves."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import keras
import pytest
from ruamel.yaml import YAML

from tests.conftest import MNIST, Project

STAGES = ["ingest", "validate", "reshape", "train", "evaluate"]


def ran(output: str) -> list[str]:
    return [stage for stage in STAGES if f"Running stage '{stage}'" in output]


def model_hash(project: Project) -> str:
    lock = YAML(typ="safe").load((project.root / "dvc.lock").read_text())
    return str(lock["stages"]["train"]["outs"][0]["md5"])


def test_a_second_repro_runs_nothing(trained_project: Project) -> None:
    assert ran(trained_project.dvc("repro").stdout) == []


def test_other_epochs_run_training_and_evaluation_only(trained_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(trained_project)
    project.set(train__epochs=1)

    assert ran(project.dvc("repro").stdout) == ["train", "evaluate"]


def test_settings_of_the_gate_and_of_scoring_run_nothing(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    project.set(register__load_digits__minimum_accuracy=0.6)
    project.set(score__minimum_confidence=0.7)

    assert ran(project.dvc("repro").stdout) == []


def test_training_again_gives_the_same_bytes(trained_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(trained_project)

    project.dvc("repro", "--force", "--single-item", "train")

    assert model_hash(project) == model_hash(trained_project)


def test_keras_opens_the_model_without_our_code(trained_project: Project) -> None:
    code = "import keras, sys; m = keras.models.load_model(sys.argv[1]); print(m.input_shape, m.output_shape)"
    model = trained_project.root / "models/digit-cnn/model.keras"

    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(model)], capture_output=True, text=True, check=True, cwd=trained_project.home
    )

    assert done.stdout == "(None, 28, 28, 1) (None, 10)\n"
    assert {type(layer).__module__.split(".")[0] for layer in keras.models.load_model(model).layers} == {"keras"}


def test_the_name_of_the_data_set_travels_into_the_metrics(trained_project: Project) -> None:
    metrics = json.loads((trained_project.root / "metrics/evaluation.json").read_text())

    assert metrics["dataset"] == "load_digits"
    assert metrics["images"] == 360
    assert metrics["accuracy"] > 0.5
    assert metrics["keras_agreement"] > 0.99


def test_dvc_shows_metrics_and_plots(trained_project: Project) -> None:
    metrics = json.loads(trained_project.dvc("metrics", "show", "--json").stdout)
    trained_project.dvc("plots", "show", "--out", str(trained_project.home / "plots"))

    assert metrics[""]["data"]["metrics/evaluation.json"]["data"]["accuracy"] > 0.5
    page = (trained_project.home / "plots/index.html").read_text()
    assert "Confusion" in page
    assert "Recall by digit" in page


def test_an_interrupted_repro_leaves_no_half_model_and_goes_on_when_run_again(
    fresh_project: Project, trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(fresh_project)
    project.set(train__epochs=500)
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=project.root,
        env={**project.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        for line in process.stdout or ():
            if line.startswith("Epoch 3/"):
                os.killpg(process.pid, signal.SIGINT)
        code = process.wait(60)

    left = list((project.root / "models").glob("*"))
    project.set(train__epochs=2)
    again = project.dvc("repro")

    assert code != 0
    assert left == []
    assert ran(again.stdout) == ["train", "evaluate"]
    assert model_hash(project) == model_hash(trained_project)


def test_a_loss_that_is_no_number_leaves_no_model(trained_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(trained_project)
    project.set(train__plain__learning_rate=1e30)

    done = project.dvc("repro", check=False)

    assert done.returncode != 0
    assert "the loss of epoch 1 is not a number" in done.stdout + done.stderr
    assert not (project.root / "models/digit-cnn").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  epochs: 2 ", "  epochs: two ", "train.epochs: input should be a valid integer"),
        ("\nvalidate:", "\nvalidate:\n  minimum_inc: 0.02", "validate.minimum_inc: unknown key"),
        ("  validation_share: 0.1 ", "  validation_share: 0.001 ", "reshape.validation_share: 0.001 of 1437 images is 1"),
    ],
)
def test_bad_settings_stop_a_repro_with_their_place(
    trained_project: Project, copy_of: Callable[[Project], Project], old: str, new: str, words: str
) -> None:
    project = copy_of(trained_project)
    project.edit("params.yaml", old, new)

    done = project.dvc("repro", check=False)

    assert done.returncode != 0
    assert words in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not MNIST, reason="needs MNIST: set DIGITS_MNIST_MIRROR")
def test_the_published_accuracy_is_reached_on_mnist(fresh_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(fresh_project)
    project.set(ingest__dataset="mnist")

    project.dvc("exp", "run", "-S", "train.architecture=plain", "-S", "train.epochs=10", DIGITS_MNIST_MIRROR=MNIST)

    metrics = json.loads((project.root / "metrics/evaluation.json").read_text())
    assert metrics["dataset"] == "mnist"
    # 98.39 % was published; the spread between machines and seeds is about 0.1 points.
    assert metrics["accuracy"] >= 0.982
