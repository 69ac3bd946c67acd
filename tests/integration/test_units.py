"""What systemd makes of the units in ``deploy/``."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

UNITS = sorted((ROOT / "deploy").glob("*.service"))
pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze, of systemd")


def verify(unit: Path, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Let systemd look at a unit, as the instance for a folder."""
    escaped = subprocess.run(["systemd-escape", "--path", folder], capture_output=True, text=True, check=True).stdout.strip()
    instance = home / unit.name.replace("@", f"@{escaped}")
    shutil.copyfile(unit, instance)
    return subprocess.run(
        ["systemd-analyze", "verify", "--user", instance],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_RUNTIME_DIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
@pytest.mark.parametrize("folder", ["digit-pipeline", "My scans/ü-1"])
def test_a_unit_is_sound_wherever_the_project_lies(unit: Path, folder: str, tmp_path: Path) -> None:
    (tmp_path / folder / ".venv/bin").mkdir(parents=True)
    (tmp_path / folder / ".venv/bin/python").symlink_to(sys.executable)

    done = verify(unit, tmp_path / folder, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_runs_the_environment_of_its_own_project(unit: Path, tmp_path: Path) -> None:
    done = verify(unit, tmp_path, tmp_path)

    assert done.returncode == 1
    assert f"Command {tmp_path}/.venv/bin/python is not executable" in done.stderr


def test_there_are_units() -> None:
    assert UNITS
