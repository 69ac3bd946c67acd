"""Commands run in the process of the tests, as if each had one of its own: its folder, environment, output and exit code."""

import logging
import os
import runpy
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

Run = subprocess.CompletedProcess[str]


def digits(arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> Run:
    """Run ``digits``, from the code in the working tree."""
    from pipeline import cli
    from pipeline.errors import exit_on_error

    def command() -> None:
        with exit_on_error():
            cli.app(arguments, prog_name="digits")

    return _run(command, ("digits", *arguments), folder, environment)


def dvc(arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> Run:
    """Run ``dvc``; the stages that it runs are processes, from the code in the folder."""
    import dvc.cli
    import dvc.logger

    def command() -> None:
        for name in ("dvc", "dvc_objects", "dvc_data"):
            logging.getLogger(name).handlers.clear()  # they write where standard output was when they were made
        dvc.logger.setup()
        sys.exit(dvc.cli.main(list(arguments)))

    return _run(command, ("dvc", *arguments), folder, environment)


@contextmanager
def as_stages() -> Iterator[None]:
    """Let `train` and `evaluate` give in this process what they give in their own, and ask Keras where it is imported."""
    from pipeline.digits.network import networks

    networks.import_keras().backend.clear_session()  # layers are numbered from 1 again
    here = patch("pipeline.stages.evaluate.ProcessPoolExecutor", lambda workers, **_: ThreadPoolExecutor(workers))
    with here, warnings.catch_warnings(action="ignore"):
        yield


@contextmanager
def stages() -> Iterator[None]:
    """Let DVC run its stages in this process, from the code in the working tree: Keras is imported once for all of them."""
    from dvc.stage.exceptions import StageCmdFailedError

    from pipeline.stages import run_as_process

    def run(_: str, command: str, *, cwd: str, env: Mapping[str, str], **__: object) -> None:
        name = command.removeprefix("python -m pipeline.stages.")
        stage = import_module(f"pipeline.stages.{name}")
        with as_stages():
            done = _run(lambda: run_as_process(name, stage.main), (command,), Path(cwd), env)
        for said, stream in ((done.stdout, sys.stdout), (done.stderr, sys.stderr)):
            print(said, end="", file=stream, flush=True)
        if done.returncode:
            raise StageCmdFailedError(command, done.returncode)

    with patch("dvc.stage.run._run", run):
        yield


def gto(arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> Run:
    """Run ``gto``."""
    from gto.cli import app

    return _run(lambda: app(arguments, prog_name="gto"), ("gto", *arguments), folder, environment)


def module(name: str, folder: Path, environment: Mapping[str, str]) -> Run:
    """Run a module of this project, as ``python -m`` does; Prefect's settings stay those of this process."""

    def command() -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)
            runpy.run_module(name, run_name="__main__")

    return _run(command, (name,), folder, environment)


def _run(command: Callable[[], None], arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> Run:
    code: object = 0
    before = os.getcwd(), dict(os.environ), sys.argv  # noqa: PTH109
    with _captured() as printed:
        os.chdir(folder)
        _set(environment)
        sys.argv = list(arguments)
        try:
            command()
        except SystemExit as left:
            code = left.code
        finally:
            os.chdir(before[0])
            _set(before[1])
            sys.argv = before[2]
    return Run(arguments, code if isinstance(code, int) else int(code is not None), *printed)


def _set(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


@contextmanager
def _captured() -> Iterator[list[str]]:
    """Give what the block prints, and processes that it starts, to standard output and to standard error; once it ends."""
    printed: list[str] = []
    before = sys.stdout, sys.stderr
    kept = [os.dup(number) for number in (1, 2)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            for number, file in enumerate((out, err), 1):
                os.dup2(file.fileno(), number)
            # Never closed: loggers may keep them.
            out_text, err_text = (open(number, "w", encoding="utf-8", closefd=False, buffering=1) for number in (1, 2))  # noqa: SIM115
            sys.stdout, sys.stderr = out_text, err_text
            yield printed
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            sys.stdout, sys.stderr = before
            for number, descriptor in enumerate(kept, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            for file in (out, err):
                file.seek(0)
                printed.append(file.read().decode("utf-8"))
