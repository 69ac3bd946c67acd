"""``python -m pipeline.stages STAGE``: what ``dvc.yaml`` runs, so that a stage depends on no more code than its own."""

import sys

from pipeline import stages
from pipeline.errors import PipelineError

try:
    stages.run(sys.argv[1])
except PipelineError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt:
    sys.exit(
        f"error: {sys.argv[1]} was interrupted. Run it again, or bring the last results back with `dvc checkout` and "
        f"`git checkout metrics plots`."
    )
