"""With Keras in this process: how long an epoch is, what the optimizer does, and what training says."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import params
from pipeline.datasets import own
from pipeline.datasets.dataset import Dataset
from pipeline.datasets.own import Own
from pipeline.digits.network import networks
from pipeline.digits.network.learning import training
from pipeline.errors import PipelineError
from pipeline.stages import train
from tests import in_process
from tests.conftest import ROOT, Project

RECIPE = params.load(ROOT / "params.yaml").train.compact


@pytest.fixture(scope="module", autouse=True)
def _keras() -> None:
    """Import Keras as the stages do, and not in every process that collects these tests."""
    networks.import_keras()


@pytest.mark.parametrize(("images", "steps"), [(54_000, 240), (1_293, 40), (1, 40)])
def test_an_epoch_shows_every_image_and_a_small_data_set_more_than_once(images: int, steps: int) -> None:
    assert training.steps_an_epoch(images, RECIPE) == steps
    assert steps * RECIPE.batch_size * (1 - RECIPE.augmentation.outlier_share) >= images


@pytest.mark.parametrize("architecture", ["compact", "plain"])
def test_the_network_that_scores_gives_the_answers_of_the_one_that_was_trained(architecture: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1)).astype(np.float32)
    trained = networks.up_to_logits(networks.build(architecture))

    scores = networks.in_blocks(trained)

    assert (scores is trained) == (architecture == "plain")
    assert np.allclose(scores.predict(images, verbose=0), trained.predict(images, verbose=0), atol=1e-5)


def test_muon_moves_a_kernel_along_an_orthogonal_matrix_and_the_rest_as_adam_does() -> None:
    import keras

    from pipeline.digits.network.learning.muon import Muon

    kernel = keras.Variable(np.zeros((3, 3, 4, 8), np.float32), name="kernel")
    bias = keras.Variable(np.zeros(8, np.float32), name="bias")
    gradient = np.random.default_rng(0).normal(size=(3, 3, 4, 8)).astype(np.float32)

    Muon(0.1).apply([gradient, np.full(8, 5.0, np.float32)], [kernel, bias])

    step = np.asarray(kernel.value).reshape(36, 8)
    singular = np.linalg.svd(step / (0.1 * 0.2 * 36**0.5), compute_uv=False)
    assert singular.min() > 0.5
    assert singular.max() < 1.4
    assert np.sum(step * gradient.reshape(36, 8)) < 0
    assert np.allclose(np.asarray(bias.value), -0.3 * 0.1, atol=1e-4)


def test_muon_leaves_the_layer_of_the_logits_to_adam() -> None:
    import keras

    from pipeline.digits.network.learning.muon import Muon

    dense = keras.layers.Dense(3, name="logits", kernel_initializer="zeros")
    dense.build((None, 4))

    Muon(0.1).apply([np.full((4, 3), 5.0, np.float32), np.zeros(3, np.float32)], dense.trainable_variables)

    assert np.allclose(np.asarray(dense.kernel.value), -0.3 * 0.1, atol=1e-4)


def test_the_compact_network_ends_in_logits_and_probabilities() -> None:
    model = networks.build("compact")

    assert [layer.name for layer in model.layers[-2:]] == ["logits", "probabilities"]
    assert model.output_shape == (None, 10)
    assert model.count_params() == 122_730


def test_a_loss_that_is_no_number_stops_at_once_with_one_line() -> None:
    progress = training._progress("compact", 5, print)

    progress.on_train_batch_end(0, {"loss": 0.1})
    with pytest.raises(PipelineError, match=r"^the loss is not a number: no model .* train\.compact in params\.yaml .*\.$"):
        progress.on_train_batch_end(1, {"loss": float("nan")})


@pytest.fixture
def data() -> Dataset:
    images, labels = np.zeros((90, 28, 28, 1), np.uint8), np.zeros(90, np.uint8)
    return Dataset("none", *[images, labels] * 3)


@pytest.fixture
def scans() -> Own:
    """Five scans to train on, two to validate and three to test, each with a label of its own."""
    parts = np.array([own.TRAIN] * 5 + [own.VALIDATION] * 2 + [own.TEST] * 3, np.uint8)
    flags = np.zeros(10, np.bool_)
    images, traits = np.zeros((10, 28, 28, 1), np.uint8), np.zeros((10, 7), np.float16)
    return Own(images, np.arange(10, dtype=np.uint8), np.arange(10, dtype=np.uint32), parts, flags, flags, traits)


@pytest.mark.parametrize("architecture", ["plain", "compact"])
def test_own_scans_of_other_parts_are_not_trained_on(
    data: Dataset, scans: Own, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = params.load(ROOT / "params.yaml").train.model_copy(update={"architecture": architecture})
    given: list[Own] = []

    def stop(_model: object, _data: Dataset, own_ones: Own, *_: object) -> None:
        given.append(own_ones)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, f"_fit_{architecture}", stop)
    with pytest.raises(KeyboardInterrupt):
        training.fit(data, scans, settings, print)

    assert given[0].labels.tolist() == [0, 1, 2, 3, 4]


def test_the_temperature_is_fitted_to_own_scans_for_validation_too(data: Dataset, scans: Own) -> None:
    images, labels = train.validation_set(data, scans, 0.1)

    assert images.shape == (100, 28, 28, 1)
    assert np.bincount(labels).tolist() == [90, 0, 0, 0, 0, 5, 5]
    assert np.bincount(train.validation_set(data, scans, 0.5)[1]).tolist() == [
        90,
        0,
        0,
        0,
        0,
        train.MOST_TIMES,
        train.MOST_TIMES,
    ]


def test_a_stage_whose_loss_is_no_number_writes_no_model(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    shutil.rmtree(project.root / "models")
    project.set(train__architecture="compact", train__compact__minimum_steps=20, train__compact__peak_learning_rate=1e30)

    done = in_process.module("pipeline.stages.train", project.root, project.environment)

    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: the loss is not a number: no model was written. Lower the learning rate of train.compact "
    )
    assert done.stderr.count("\n") == 1
    assert not (project.root / "models").exists()


def test_what_a_person_set_for_other_projects_of_keras_changes_nothing(tmp_path: Path) -> None:
    # A width that Keras itself refuses.
    of_others = {"backend": "jax", "floatx": "bfloat16", "epsilon": 0.1, "image_data_format": "channels_first"}
    home = tmp_path / ".keras"
    home.mkdir()
    (home / "keras.json").write_text(json.dumps(of_others))
    code = (
        "from pipeline.digits.network import networks; keras = networks.import_keras(); config = keras.config;"
        "print(config.backend(), config.floatx(), config.epsilon(), config.image_data_format(), config.max_epochs())"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "KERAS_HOME": str(home),
            "KERAS_BACKEND": "torch",
            "KERAS_MAX_EPOCHS": "1",
        },
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    assert done.stdout == "tensorflow float32 1e-07 channels_last None\n"
    assert done.stderr == ""
