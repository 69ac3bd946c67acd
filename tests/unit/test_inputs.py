"""What a stage reads must be the same when it ends: DVC hashes it then, and vouches for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import stages

STAGES = "stages:\n  train:\n    deps: [data, code.py, gone]\n    params: [train.kind, 'train.${train.kind}']\n"
PARAMS = "train: {kind: plain, plain: {rate: 0.1}, compact: {rate: 1}}\nscore: {}\n"


@pytest.fixture(autouse=True)
def _project(in_folder: Path) -> None:
    (in_folder / "data/deep").mkdir(parents=True)
    (in_folder / "data/deep/file").write_text("1")
    (in_folder / "code.py").write_text("1")
    (in_folder / "params.yaml").write_text(PARAMS)
    (in_folder / "dvc.yaml").write_text(STAGES)


def write(file: str, text: str) -> Callable[[], object]:
    return lambda: Path(file).write_text(text)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (write("code.py", "2"), "code.py"),
        (write("data/deep/file", "2"), "data/deep/file"),
        (write("data/more", ""), "data/more"),
        (Path("data/deep/file").unlink, "data/deep/file"),
        (write("gone", ""), "gone"),
        (write("params.yaml", PARAMS.replace("0.1", "0.2")), "train.plain in params.yaml"),
        (
            write("params.yaml", PARAMS.replace("kind: plain", "kind: compact")),
            "train.kind in params.yaml, train.plain in params.yaml, train.compact in params.yaml",
        ),
        (write("dvc.yaml", STAGES.replace("code.py, ", "")), "code.py"),
    ],
)
def test_what_changed_meanwhile_is_named(edit: Callable[[], object], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        stages.run_as_process("train", edit)  # type: ignore[arg-type]

    assert capsys.readouterr().err == f"error: train: changed while it ran: {named}. Run `dvc repro` again.\n"


def compile_to(file: Path) -> None:
    file.parent.mkdir()
    file.touch()


@pytest.mark.parametrize("text", ["train: [", "score: {}\n", ""])
def test_settings_that_cannot_be_read_any_more_count_as_changed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        stages.run_as_process("train", write("params.yaml", text))  # type: ignore[arg-type]

    assert "params.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    "edit",
    [
        lambda: None,
        write("params.yaml", PARAMS.replace("score: {}", "score: 1")),
        write("code.py", "1"),
        write("other", ""),
        lambda: compile_to(Path("data/deep/__pycache__/file.pyc")),
    ],
)
def test_what_it_does_not_read_may_change(edit: Callable[[], object]) -> None:
    stages.run_as_process("train", edit)  # type: ignore[arg-type]
