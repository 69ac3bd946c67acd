"""The file of automations, as it is shipped and as it may be broken."""

from pathlib import Path

import pytest

from flows.automations import FILE, _read
from pipeline.errors import PipelineError
from tests.conftest import ROOT


def test_only_trainings_are_off_until_they_are_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    assert {one["name"]: one.get("enabled", True) for one in _read()} == {
        "digits-notify": True,
        "digits-skip": True,
        "digits-train-when-suspect": False,
        "digits-train-when-labelled": False,
    }


@pytest.mark.parametrize(
    "text",
    ["", "[", "x", "automations:", "automations: x", *(f"automations: [{one}]" for one in ("x", "{actions: []}", "{name: x}"))],
)
def test_what_is_no_list_of_automations_is_said_in_one_line(text: str, in_folder: Path) -> None:
    (in_folder / FILE).write_text(text)

    with pytest.raises(PipelineError, match=r"^automations\.yaml: no list of automations: .*\. Mend it and run again\.$"):
        _read()


def test_a_file_that_is_gone_can_be_brought_back(in_folder: Path) -> None:
    with pytest.raises(PipelineError, match=r"^automations\.yaml: No such file .* with `git checkout automations\.yaml`\.$"):
        _read()
