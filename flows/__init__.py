"""Prefect flows: when the pipeline runs, what is retried, and what a person sees."""

import os
import warnings

from flows import environment
from pipeline.errors import exit_on_error

# These switch off the telemetry of Prefect, DVC and Great Expectations. Prefect reads its own when it is imported.
os.environ |= {"DO_NOT_TRACK": "1", "DVC_NO_ANALYTICS": "1", "GX_ANALYTICS_ENABLED": "false"}

# Prefect warns of these when it is imported; the check below says the same in one line.
warnings.filterwarnings("ignore", message="Failed to (create the Prefect home directory|load profiles)")

with exit_on_error():
    environment.prepare()
