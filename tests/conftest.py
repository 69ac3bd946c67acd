"""What the tests share: a small real project, trained once, and copies of it to break."""

import fcntl
import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from ruamel.yaml import YAML

from pipeline import layout
from tests import in_process
from tests.in_process import Run

ROOT = Path(__file__).parents[1]
MNIST = os.environ.get("DIGITS_MNIST_MIRROR", "")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

DIGITS = (sys.executable, "-m", "pipeline")


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and never in what was imported."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def pytest_configure() -> None:
    """Give signals back to the processes that tests start: what a script's background or `nohup` ignores, they inherit."""
    gc.disable()
    for one in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(one) is signal.SIG_IGN:
            signal.signal(one, lambda *_: None)  # ignored here all the same


# Where a run begins: the files that take longest, so that in the end no core waits for one. Of the quick tests the first file
# needs no project, while the second makes those for all. What needs Keras stands together, to be imported by one worker.
FIRST = (
    "test_mnist",
    "test_validation",
    "test_stages",
    "test_flows",
    "test_disk",
    "test_training",
    "test_registry",
    "test_pages",
    "test_promotion",
    "test_registry_survives",
    "test_scoring",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first, and otherwise leave the order."""
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))


@dataclass(frozen=True)
class Project:
    """A copy of this project in a Git repository of its own."""

    root: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """An environment that leads to nothing of the user's."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "DIGITS_", "GIT_", "MAKE", "MFLAGS"))
        }
        return {
            **kept,
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_HOME": str(self.home / "prefect"),
            "DO_NOT_TRACK": "1",
        }

    def run(self, *command: str, check: bool = True, **environment: str) -> Run:
        """Run a command in the project, in a process of its own, and give what it printed."""
        done = subprocess.run(
            command, cwd=self.root, env={**self.environment, **environment}, capture_output=True, text=True, check=False
        )
        return self._checked(done, check=check)

    def digits(self, *arguments: str, check: bool = True, **environment: str) -> Run:
        """Run ``digits`` in this process; ``run(*DIGITS, ...)`` runs it in its own, from the project's own code."""
        return self._checked(in_process.digits(arguments, self.root, {**self.environment, **environment}), check=check)

    def dvc(self, *arguments: str, check: bool = True, **environment: str) -> Run:
        """Run ``dvc`` in this process; the stages that it runs have their own."""
        return self._checked(in_process.dvc(arguments, self.root, {**self.environment, **environment}), check=check)

    def sample(self, folder: str | Path, count: int) -> None:
        """Put some of the project's test images into a folder of it."""
        from pipeline.datasets import sample

        sample.cut(self.root / layout.ARRAYS, self.root / folder, count=count)

    def write_scans(self, folder: Path, count: int) -> None:
        """Write training images as another hand might, far from upright and on a page, into folders by their digit."""
        import cv2
        import numpy as np

        from pipeline.datasets import raw

        data = raw.read(self.root / layout.RAW)
        turn = cv2.getRotationMatrix2D((13.5, 13.5), 30, 1)
        for number in range(count):
            page = np.full((44, 40), 240, np.uint8)
            page[8:36, 6:34] -= np.minimum(cv2.warpAffine(data.train_images[number], turn, (28, 28)), 230)
            place = folder / str(data.train_labels[number])
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / f"{number}.png"), page)

    @staticmethod
    def _checked(done: Run, *, check: bool) -> Run:
        assert not check or done.returncode == 0, f"{done.args} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def git(self, *arguments: str, check: bool = True) -> str:
        """Run Git and give its output."""
        return self.run("git", *arguments, check=check).stdout

    def set(self, **values: object) -> None:
        """Set parameters by their keys with `__` for the dots, such as train__epochs=2."""
        path = self.root / "params.yaml"
        content = YAML().load(path)
        for key, value in values.items():
            *sections, name = key.split("__")
            place = content
            for section in sections:
                place = place[section]
            assert name in place, f"{key} is not in params.yaml"
            place[name] = value
        YAML().dump(content, path)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")


Once = Callable[..., Project]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Give a function that makes a project once for all workers of a run: the first that asks makes it, each gets a copy.

    Where ``DIGITS_TEST_PROJECTS`` names a folder, it is once for all runs: of one state of the code, that is.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = Path(os.environ.get("DIGITS_TEST_PROJECTS", folder / "once"))
    folder.mkdir(exist_ok=True)

    def give(name: str, make: Callable[[Project], object], origin: Project | None = None) -> Project:
        made, done = Project(folder / name / "digit-pipeline", folder / name / "home"), folder / f"{name}.done"
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder / name, ignore_errors=True)
                if origin:
                    copy_project(origin, folder / name)
                make(made)
                done.touch()
        return copy_project(made, tmp_path_factory.mktemp(name))

    return give


@pytest.fixture(scope="session")
def _yaml_read_once() -> Iterator[None]:
    """Parse and check a text once: each command of DVC reads the same files again, a tenth of what the tests take."""
    from dvc.utils import strictyaml

    parse, check, known, valid = YAML.load, strictyaml.validate, dict[str, Any](), set[tuple[int, str]]()

    def load(self: YAML, stream: Any) -> Any:
        if not isinstance(stream, str) or self.typ != ["safe"]:
            return parse(self, stream)
        if stream not in known:
            known[stream] = parse(self, stream)
        return deepcopy(known[stream])

    def validate(data: Any, schema: object, text: str, **words: Any) -> Any:
        if (id(schema), text) not in valid:
            check(data, schema, text, **words)
            valid.add((id(schema), text))
        return data

    with patch.object(YAML, "load", load), patch.object(strictyaml, "validate", validate):
        yield


@pytest.fixture(scope="session")
def fresh_project(once: Once, _yaml_read_once: None) -> Project:
    """The project as it stands in the working tree, committed, on load_digits, with nothing run. Not to be changed."""
    return once("fresh", _from_working_tree)


def _from_working_tree(project: Project) -> None:
    project.home.mkdir(parents=True)
    files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", ":!bench", ":!docs", ":!tests"]
    listed = subprocess.run(files, cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (project.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project.root / name)
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("config", "user.name", "tester")
    project.git("config", "user.email", "tester@localhost")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "Start")
    project.set(
        ingest__dataset="load_digits",
        train__architecture="plain",
        train__epochs=2,
        register__load_digits__minimum_accuracy=0.5,
        register__load_digits__minimum_recall=0.0,
        register__load_digits__maximum_calibration_error=1.0,
        register__load_digits__minimum_slice_accuracy=0.0,
        evaluate__slice_images=60,
        score__quiet_seconds=0,
    )
    project.git("commit", "--quiet", "--all", "--message", "Make it small")
    project.git("repack", "-adq")  # a file for each of its objects would be most of what copies take


@pytest.fixture(scope="session")
def trained_project(fresh_project: Project, once: Once) -> Project:
    """A project whose stages have run. Not to be changed."""

    def make(project: Project) -> None:
        with in_process.stages():
            project.dvc("repro")
        project.git("commit", "--quiet", "--all", "--message", "Train")

    return once("trained", make, fresh_project)


@pytest.fixture(scope="session")
def registered_project(trained_project: Project, once: Once) -> Project:
    """A project with a champion. Not to be changed."""
    return once("registered", lambda project: project.digits("register"), trained_project)


@pytest.fixture(scope="session")
def two_models(registered_project: Project, once: Once) -> Project:
    """A project with two versions, of two epochs and of six, and a batch that the first scored. Not to be changed."""

    def make(project: Project) -> None:
        project.sample("data/inbox/batch", 200)
        project.digits("score", "data/inbox/batch")
        project.set(register__replay__batches=2)
        with in_process.stages():
            project.dvc("exp", "run", "--set-param", "train.epochs=6")
        project.digits("register")

    return once("two", make, registered_project)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Project], Project]:
    """Give a function that copies a project, so that a test may do with it what it likes."""
    return lambda project: copy_project(project, tmp_path)


def copy_project(project: Project, folder: Path) -> Project:
    """Copy a project into a folder."""
    copy = Project(folder / "digit-pipeline", folder / "home")
    shutil.copytree(project.root, copy.root, symlinks=True)
    shutil.copytree(project.home, copy.home)
    return copy


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, if it is here: one for a module, and not for all, since Prefect would take its event loop for its own."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM:
        yield None
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def full_disk() -> Iterator[None]:
    """Let every file that this process writes end at 4 kB, as on a disk without room: the log of the test run too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**12, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def too_deep(folder: Path) -> None:
    """Make a folder whose path is longer than the system takes, so that nobody, not even root, can look into it by its path."""
    place = os.open(folder, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("deep" * 50, dir_fd=place)
        inner = os.open("deep" * 50, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
