"""The stages under DVC: what runs again, what does not, and what an interruption leaves."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline import layout
from pipeline.digits.network import slices
from pipeline.registry import contents
from pipeline.stages import train
from tests import in_process
from tests.conftest import Project, copy_project

STAGES = ["ingest", "validate", "reshape", "collect", "train", "evaluate"]


def ran(output: str) -> list[str]:
    return [stage for stage in STAGES if f"Running stage '{stage}'" in output]


def model_hash(project: Project) -> str:
    return str(contents.recorded_hash((project.root / "dvc.lock").read_text(), layout.MODEL))


def test_a_second_repro_runs_nothing(trained_project: Project) -> None:
    assert ran(trained_project.dvc("repro").stdout) == []


@pytest.mark.slow  # `make test` sees the same by way of the flow
def test_other_epochs_run_training_and_evaluation_only(trained_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(trained_project)
    project.set(train__epochs=1)

    with in_process.stages():
        assert ran(project.dvc("repro").stdout) == ["train", "evaluate"]


def test_settings_of_the_gate_and_of_scoring_run_nothing(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    project.set(register__load_digits__minimum_accuracy=0.6)
    project.set(score__maximum_error_share=0.7)

    assert ran(project.dvc("repro").stdout) == []
    project.set(score__minimum_confidence=0.7)  # which the share for review of the slices goes by
    assert ran(project.dvc("repro", "--dry").stdout) == ["evaluate"]


@pytest.fixture(scope="module")
def compact_project(trained_project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project on which the default architecture was trained for two epochs, and what that printed."""
    project = copy_project(trained_project, tmp_path_factory.mktemp("compact"))
    project.set(train__architecture="compact", train__compact__minimum_steps=20)
    with in_process.stages():
        return project, project.dvc("repro", "train").stdout


@pytest.mark.slow
def test_the_default_recipe_gives_the_same_bytes_again(compact_project: tuple[Project, str]) -> None:
    project, _ = compact_project
    first = model_hash(project)
    curves = (project.root / "metrics/learning_curves.csv").read_bytes()

    project.dvc("repro", "--force", "--single-item", "train")

    assert model_hash(project) == first
    assert (project.root / "metrics/learning_curves.csv").read_bytes() == curves


def test_training_says_a_line_for_each_epoch_and_nothing_else(compact_project: tuple[Project, str]) -> None:
    _, printed = compact_project
    said = printed[printed.index("pipeline.stages.train\n") :].splitlines()[1:]

    number = r"\d+\.\d+"
    line = (
        rf"epoch {{}} of 2: loss {number}, validation loss {number}, validation accuracy {number}, rate {number}, "
        rf"{number} s, \d+ s left"
    )
    assert re.fullmatch(line.format(1), said[0])
    assert re.fullmatch(line.format(2), said[1])
    assert said[2].startswith("Updating lock file")


def test_dvc_keeps_the_learning_curves(compact_project: tuple[Project, str]) -> None:
    curves = pd.read_csv(compact_project[0].root / "metrics/learning_curves.csv")

    assert list(curves) == ["epoch", "loss", "accuracy", "validation_loss", "validation_accuracy"]
    assert list(curves["epoch"]) == [1, 2]
    assert curves["loss"][1] < curves["loss"][0]


def test_the_scoring_model_is_small_int8_and_gives_float_logits(compact_project: tuple[Project, str]) -> None:
    from ai_edge_litert.interpreter import Interpreter

    project, _ = compact_project
    model = project.root / "models/digit-cnn/model.tflite"
    card = json.loads((project.root / "models/digit-cnn/model.json").read_text())

    interpreter = Interpreter(str(model))
    tensors = interpreter.get_tensor_details()
    (output,) = interpreter.get_output_details()

    assert model.stat().st_size <= 150_000
    assert output["dtype"] is np.float32
    weights = {tuple(tensor["shape"]): tensor["dtype"] for tensor in tensors if len(tensor["shape"]) in (2, 4)}
    assert weights[(32, 3, 3, 4)] is np.int8  # the first convolution, 5x5 over pixels, in blocks of 2x2
    assert weights[(10, 96)] is np.float32  # the last dense layer
    assert card["architecture"] == "compact"
    assert 0.05 <= card["temperature"] <= 20


def test_the_evaluation_is_a_handful_of_short_columns(trained_project: Project) -> None:
    metrics = json.loads((trained_project.root / "metrics/evaluation.json").read_text())

    shown = trained_project.dvc("exp", "show", "--csv").stdout.splitlines()[0].split(",")

    assert metrics["acc_low"] < metrics["accuracy"] < metrics["acc_high"]
    assert metrics["nll"] > 0
    assert 0 <= metrics["ece"] < 1
    assert metrics["accuracy"] <= metrics["acc_at_99"] + 0.01 <= metrics["acc_at_98"] + 0.02 <= metrics["acc_at_95"] + 0.03
    assert 0 <= metrics["min_recall"] <= metrics["accuracy"]
    assert len(metrics) <= 17
    assert all(len(name) <= 15 for name in metrics)
    of_slices = [f"{name}.{kind}" for name in slices.SLICES for kind in ("accuracy", "review")]
    assert shown[shown.index("parent") + 1 : shown.index("ingest.dataset")] == [*metrics, *of_slices]


def test_precision_and_recall_of_each_digit_are_a_plot(trained_project: Project) -> None:
    classes = pd.read_csv(trained_project.root / "plots/classes.csv")
    confusion = pd.read_csv(trained_project.root / "plots/confusion.csv")
    metrics = json.loads((trained_project.root / "metrics/evaluation.json").read_text())

    is_right = confusion["actual"] == confusion["predicted"]
    assert list(classes) == ["digit", "precision", "recall"]
    assert list(classes["recall"]) == pytest.approx(list(is_right.groupby(confusion["actual"]).mean()), abs=1e-5)
    found = is_right.groupby(confusion["predicted"]).mean().reindex(range(10), fill_value=0)
    assert list(classes["precision"]) == pytest.approx(list(found), abs=1e-5)
    assert classes["recall"].min() == pytest.approx(metrics["min_recall"], abs=1e-5)


def test_the_logits_of_every_test_image_are_kept_by_dvc(trained_project: Project) -> None:
    kept = pd.read_csv(trained_project.root / "metrics/predictions.csv")
    metrics = json.loads((trained_project.root / "metrics/evaluation.json").read_text())
    lock = YAML(typ="safe").load((trained_project.root / "dvc.lock").read_text())

    logits = kept[[f"logit_{digit}" for digit in range(10)]].to_numpy()
    assert list(kept["image"]) == list(range(360))
    assert (logits.argmax(axis=1) == kept["actual"]).mean() == pytest.approx(metrics["accuracy"], abs=1e-6)
    assert "metrics/predictions.csv" in [out["path"] for out in lock["stages"]["evaluate"]["outs"]]
    assert "metrics/predictions.csv" not in trained_project.git("ls-files")


def test_by_hand_what_was_trained_is_evaluated_and_only_register_asks_dvc(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    project.set(train__epochs=1)
    before = (project.root / "metrics/evaluation.json").read_bytes()

    with in_process.as_stages():
        project.digits("train")
        project.digits("evaluate")

    assert (project.root / "metrics/evaluation.json").read_bytes() != before
    done = project.digits("register", check=False)
    assert done.returncode == 1
    assert "`dvc status` names train, evaluate. Run `dvc repro`, then register again.\n" in done.stderr


def test_settings_edited_while_a_stage_runs_are_not_recorded_as_what_it_was_made_from(
    trained_project: Project, copy_of: Callable[[Project], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_of(trained_project)
    project.set(train__epochs=1)
    before = project.git("show", "HEAD:dvc.lock")
    main = train.main

    def main_and_meanwhile() -> None:
        main()
        project.set(train__epochs=3)

    monkeypatch.setattr(train, "main", main_and_meanwhile)

    with in_process.stages():
        failed = project.dvc("repro", check=False)
        monkeypatch.undo()
        again = project.dvc("repro")

    assert failed.returncode != 0
    assert "error: train: changed while it ran: train.epochs in params.yaml. Run `dvc repro` again.\n" in failed.stderr
    assert ran(again.stdout) == ["train", "evaluate"]
    assert (project.root / "dvc.lock").read_text() != before
    assert (project.root / "metrics/learning_curves.csv").read_text().count("\n") == 4


def test_keras_opens_the_model_without_our_code(compact_project: tuple[Project, str]) -> None:
    project, _ = compact_project
    code = (
        "import gc, sys; gc.disable(); sys.modules['sklearn'] = None\n"  # which take half of the time
        "import keras; m = keras.models.load_model(sys.argv[1]); print(m.input_shape, m.output_shape)\n"
        "print({type(layer).__module__.split('.')[0] for layer in m.layers})"
    )
    model = project.root / "models/digit-cnn/model.keras"

    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(model)], capture_output=True, text=True, check=True, cwd=project.home
    )

    assert done.stdout == "(None, 28, 28, 1) (None, 10)\n{'keras'}\n"


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
    for title in ("Loss by epoch", "Accuracy by epoch", "taken for", "Errors by digit", "by slice", "Accuracy by confidence"):
        assert title in page


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "how"), [("compact", signal.SIGINT), ("plain", signal.SIGKILL)])
def test_after_an_interrupted_repro_there_is_no_half_model_the_last_comes_back_and_training_again_gives_it(
    trained_project: Project, copy_of: Callable[[Project], Project], architecture: str, how: signal.Signals
) -> None:
    project = copy_of(trained_project)
    project.set(train__architecture=architecture, train__epochs=500)
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=project.root,
        env={**project.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        said = []
        for line in process.stdout or ():
            said.append(line)
            if line.startswith("epoch 1 of 500:"):
                os.killpg(process.pid, how)
        code = process.wait(60)

    left = list((project.root / "models").glob("*"))
    project.dvc("checkout")

    assert code != 0
    assert left == []
    assert not [line for line in said if "Traceback" in line]
    assert how is signal.SIGKILL or [line for line in said if line.startswith("error: train was interrupted. Run it again,")]
    assert project.git("status", "--porcelain") == " D metrics/learning_curves.csv\n M params.yaml\n"
    assert (project.root / "models/digit-cnn/model.tflite").read_bytes() == (
        trained_project.root / "models/digit-cnn/model.tflite"
    ).read_bytes()
    project.git("checkout", "--", ".")
    assert ran(project.dvc("repro").stdout) == []
    with in_process.stages():
        assert ran(project.dvc("repro", "--force", "--single-item", "train").stdout) == ["train"]
    assert model_hash(project) == model_hash(trained_project)


@pytest.mark.slow  # `make test` sees the stage without DVC, in test_training.py
@pytest.mark.parametrize(("architecture", "rate"), [("compact", "peak_learning_rate"), ("plain", "learning_rate")])
def test_a_loss_that_is_no_number_leaves_no_model(
    trained_project: Project, copy_of: Callable[[Project], Project], architecture: str, rate: str
) -> None:
    project = copy_of(trained_project)
    project.set(train__compact__minimum_steps=20)
    project.set(**{"train__architecture": architecture, f"train__{architecture}__{rate}": 1e30})

    with in_process.stages():
        done = project.dvc("repro", check=False)

    said = (done.stdout + done.stderr).splitlines()
    assert done.returncode != 0
    (line,) = [line for line in said if "not a number" in line]
    words = "error: the loss is not a number: no model was written. Lower the learning rate of train."
    assert line.startswith(f"{words}{architecture} in params.yaml")
    assert not [line for line in said if "Traceback" in line or "Invalid loss" in line]
    assert not (project.root / "models/digit-cnn").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  epochs: 2 ", "  epochs: two ", "train.epochs: input should be a valid integer"),
        ("\nvalidate:", "\nvalidate:\n  minimum_inc: 0.02", "validate.minimum_inc: unknown key"),
        (
            "  validation_share: 0.1       # this",
            "  validation_share: 0.001       # this",
            "reshape.validation_share: 0.001 of 1437 images is 1",
        ),
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
