"""What a process of this project imports, which decides how soon it answers and what it needs."""

import subprocess
import sys

from tests.conftest import ROOT


def printed(code: str) -> str:
    """Give what some code prints in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_scoring_never_imports_tensorflow() -> None:
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras'): sys.modules[name] = None\n"
        "import flows.scoring, pipeline.scoring.run, pipeline.registry.contents\n"
        "from pipeline.digits.network.model import Classifier\n"
        "try: Classifier(b'')\n"
        "except ValueError: print('refused')\n"
    )

    assert printed(code) == "refused\n"


def test_help_imports_nothing_heavy_and_scoring_nothing_of_reports() -> None:
    code = (
        "import sys, pipeline.cli\n"
        "print(sorted(sys.modules.keys() & {'numpy', 'pandas', 'cv2', 'dvc', 'prefect', 'pydantic'}))\n"
        "import pipeline.scoring.run; print(sorted(sys.modules.keys() & {'jinja2', 'altair', 'pandas', 'ai_edge_litert'}))"
    )

    assert printed(code) == "[]\n[]\n"
