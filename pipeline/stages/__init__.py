"""The stages of ``dvc.yaml``: a module each, with one ``run()`` that takes files, then its section of ``params.yaml``."""

import sys
from collections.abc import Callable

from pipeline.errors import exit_on_error


def run_as_process(name: str, stage: Callable[[], None]) -> None:
    """Run a stage as DVC does, in a process of its own. Exits 1 with one line for what a user can mend."""
    try:
        with exit_on_error():
            stage()
    except KeyboardInterrupt:
        sys.exit(
            f"error: {name} was interrupted. Run it again, or bring the last results back with `dvc checkout` and "
            f"`git checkout metrics plots`."
        )
