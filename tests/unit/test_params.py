"""``params.yaml``: what cannot be used is named with its place."""

from pathlib import Path

import pytest

from pipeline import params
from pipeline.digits.network.learning.training import chosen_recipe
from pipeline.errors import PipelineError

SHIPPED = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")


def load(folder: Path, text: str) -> params.Params:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return params.load(path)


def test_the_shipped_file_is_valid(tmp_path: Path) -> None:
    loaded = load(tmp_path, SHIPPED)

    assert loaded.ingest.dataset == "mnist"
    assert chosen_recipe(loaded.train) == loaded.train.compact


@pytest.mark.parametrize(
    ("old", "new", "line", "place", "what"),
    [
        ("  seed: 1\n", "  seed: 1\n  sead: 2\n", "  sead: 2", "train.sead", "unknown key"),
        ("scale: 0.1 ", "scale: 1.3 ", "        scale: 1.3", "train.compact.augmentation.warp.scale", "or equal to 1, not 1.3"),
        ("outlier_share: 0.05", "outlier_share: 1.0", "      outlier_", "train.compact.augmentation.outlier_share", "not 1.0"),
        (
            "slender: 0.12",
            "slender: 0.3",
            "        slender",
            "train.compact.augmentation.hands.slender",
            "equal to 0.2, not 0.3",
        ),
        ("slender: 0.12", "slim: 0.12", "        slim", "train.compact.augmentation.hands.slim", "not 'slim'"),
        ("score:\n", "scores: {}\nscore:\n", "scores:", "scores", "unknown key"),
        ("batch_size: 32\n", "batch_size: many\n", "    batch_size: many", "train.plain.batch_size", "integer, not 'many'"),
        ("batch_size: 32\n", "batch_size: '32'\n", "    batch_size: '32'", "train.plain.batch_size", "integer, not '32'"),
        ("batch_size: 32\n", "batch_size: 0\n", "    batch_size: 0", "train.plain.batch_size", "greater than 0, not 0"),
        ("    batch_size: 32\n", "", "  plain:", "train.plain.batch_size", "missing"),
        ("dataset: mnist", "dataset: cifar", "  dataset:", "ingest.dataset", "'mnist' or 'load_digits', not 'cifar'"),
        ("confidence: 0.95", "confidence: 1.8", "  minimum_confidence:", "score.minimum_confidence", "equal to 1, not 1.8"),
        ("minimum_ink: 0.012", "minimum_ink: 0.7", "validate:", "validate", "minimum_ink 0.7 is not below maximum_ink 0.5"),
        (
            "upstroke_share: 0.6 ",
            "upstroke_share: .nan ",
            "        upstroke_share:",
            "train.compact.augmentation.european.upstroke_share",
            "not nan",
        ),
        ("  learning_rate: 0.001", "  learning_rate: .inf", "    learning_rate:", "train.plain.learning_rate", "finite"),
        ("register:\n", "registered:\n", "registered:", "registered", "unknown key"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, line: str, place: str, what: str
) -> None:
    text = SHIPPED.replace(old, new, 1)
    (expected,) = (number for number, content in enumerate(text.split("\n"), 1) if content.startswith(line))

    with pytest.raises(PipelineError) as raised:
        load(tmp_path, text)

    assert f"line {expected}: {place}: " in str(raised.value)
    assert what in str(raised.value)


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    text = SHIPPED.replace("batch_size: 32", "batch_size: x").replace("shard_size: 500", "shard_size: y")

    with pytest.raises(PipelineError, match=r"train\.plain\.batch_size.*score\.shard_size"):
        load(tmp_path, text)


def test_a_number_in_the_short_form_of_yaml_is_a_number(tmp_path: Path) -> None:
    assert load(tmp_path, SHIPPED.replace("  learning_rate: 0.001", "  learning_rate: 1e-3")).train.plain.learning_rate == 0.001


def test_train_epochs_takes_the_place_of_the_recipes(tmp_path: Path) -> None:
    assert chosen_recipe(load(tmp_path, SHIPPED.replace("epochs: null", "epochs: 3")).train).epochs == 3


@pytest.mark.parametrize("text", ["", "train: [", "- 1\n", "\x00", "a: 1\na: 2\n", "train: 1\t\n", "train: 2024-13-01\n"])
def test_what_is_no_settings_file_is_an_error_on_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(PipelineError) as raised:
        load(tmp_path, text)

    assert "\n" not in str(raised.value)
    assert "params.yaml" in str(raised.value)
