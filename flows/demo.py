"""``make demo``: the whole job on scikit-learn's digits, in a throw-away clone, touching nothing of the user's."""

import json
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

from ruamel.yaml import YAML

from pipeline import layout, training_report
from pipeline.errors import exit_on_error
from pipeline.scoring import report
from pipeline.scoring.join import SCORES

FOLDER = Path(".demo")
CLONE = FOLDER / "digit-pipeline"
BATCH = "demo"


def main() -> None:
    """Clone the project, train and register a model, score a batch, and print what came out."""
    with exit_on_error():
        layout.require_root()
    shutil.rmtree(FOLDER, ignore_errors=True)
    if subprocess.run(["git", "clone", "--quiet", "--no-tags", ".", str(CLONE)], env=_environment(), check=False).returncode:
        sys.exit("error: the demo works in a clone, and this folder cannot be cloned. Get the project with git and run again.")
    for name, value in (("user.name", "demo"), ("user.email", "demo@localhost")):
        subprocess.run(["git", "config", name, value], cwd=CLONE, env=_environment(), check=True)
    settings = YAML().load(CLONE / layout.PARAMS)
    settings["ingest"]["dataset"] = "load_digits"
    YAML().dump(settings, CLONE / layout.PARAMS)

    _run("flows.training")
    _run("pipeline", "sample", str(layout.INBOX / BATCH), "--count", "100")
    _run("flows.scoring")
    _report()


def _run(*arguments: str) -> None:
    if subprocess.run([sys.executable, "-m", *arguments], cwd=CLONE, env=_environment(), check=False).returncode:
        sys.exit(f"error: the demo stopped at `python -m {' '.join(arguments)}` in {CLONE}. Its words stand above.")


def _environment() -> dict[str, str]:
    """Give the environment less what leads to the user's Prefect server, cluster, mirror, home or Git repository."""
    elsewhere = ("PREFECT_", "DASK_", "DIGITS_", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(elsewhere)}
    homes = {f"{tool}_HOME": str((FOLDER / tool.lower()).absolute()) for tool in ("PREFECT", "KERAS")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**kept, "PATH": path, **homes, "DO_NOT_TRACK": "1"}


def _report() -> None:
    scores = layout.SCORES / BATCH
    metrics = json.loads((CLONE / layout.METRICS).read_text(encoding="utf-8"))
    print("\nRegistered:", flush=True)
    _run("pipeline", "models")
    print(f"Metrics on {metrics['images']} test images of {metrics['dataset']}:")
    named = {"accuracy": "accuracy", "ece": "calibration error", "min_recall": "smallest recall"}
    print("  " + ", ".join(f"{words} {metrics[name]:.4f}" for name, words in named.items()))
    with (CLONE / scores / SCORES).open(encoding="utf-8") as rows:
        print(f"\nThe first rows of {SCORES}:\n{''.join(islice(rows, 4))}")
    places = {
        "scores": scores / SCORES,
        "report": scores / report.NAME,
        "model": layout.MODEL,
        "metrics": layout.METRICS,
        "training": training_report.PAGE,
        "Data Docs": layout.VALIDATION / layout.DATA_DOCS / "index.html",
    }
    print("\n".join(f"{what:10}{CLONE / where}" for what, where in places.items()))


if __name__ == "__main__":
    main()
