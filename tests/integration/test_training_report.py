"""The training report where there is little to report on, or no package to draw with."""

import json
import re
from collections.abc import Callable

from tests.conftest import DIGITS, Project


def test_before_the_stages_ran_one_line_says_what_to_do(fresh_project: Project, copy_of: Callable[[Project], Project]) -> None:
    project = copy_of(fresh_project)
    (project.root / "metrics/evaluation.json").unlink()

    done = project.digits("report", check=False)

    assert done.returncode == 1
    missing = "metrics/evaluation.json is not there"
    assert done.stderr == f"error: no model is trained here yet: {missing}. Run `dvc repro` first.\n"
    assert not (project.root / "reports").exists()


def test_a_model_that_is_not_registered_gets_the_verdict_of_today(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    project.set(register__load_digits__minimum_accuracy=1.0)

    project.digits("report")

    page = (project.root / "reports/training.html").read_text()
    accuracy = json.loads((project.root / "metrics/evaluation.json").read_text())["accuracy"]
    assert "digit-cnn not registered, trained on load_digits" in page
    assert '<p class="headline">Not registered: missed one of five bounds: accuracy</p>' in page
    missed = f'<td class="number">{accuracy:.4f}</td><td>at least 1.0000</td><td>missed by {1 - accuracy:.4f}</td>'
    assert missed in page
    assert "params.yaml changed. Commit that" in page
    assert project.git("tag") == ""


def test_a_model_of_a_commit_without_a_branch_can_be_made_again(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    project.git("checkout", "--quiet", "--detach")

    project.digits("report")

    page = (project.root / "reports/training.html").read_text()
    (commands,) = re.findall("<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    clone, checkout, folder, *rest = commands.splitlines()
    project.run("sh", "-ec", f"{clone}\n{checkout}\n{folder}\ngit diff --exit-code")
    assert project.git("-C", folder.removeprefix("cd "), "rev-parse", "HEAD") == project.git("rev-parse", "HEAD")
    assert rest == ["dvc repro", "git diff --exit-code metrics plots"]


def test_arrays_of_another_data_set_are_not_shown_as_the_errors_of_this_one(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    metrics = project.root / "metrics/evaluation.json"
    metrics.write_text(metrics.read_text().replace('"test_set": "', '"test_set": "0'))

    done = project.digits("report", check=False)

    assert done.returncode == 1
    assert done.stderr == "error: data/arrays.npz: not what metrics/evaluation.json was measured on. Run `dvc repro` first.\n"


def test_without_the_extra_one_line_says_which_to_install(
    trained_project: Project, copy_of: Callable[[Project], Project]
) -> None:
    project = copy_of(trained_project)
    (project.root / "vl_convert.py").write_text("raise ModuleNotFoundError(name='vl_convert')")

    done = project.run(*DIGITS, "report", check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: vl_convert is not installed. Install the extra `train`")
