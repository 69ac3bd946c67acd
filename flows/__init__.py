"""Prefect flows: when the pipeline runs, what is tried again, and what a person sees of it."""

import os
import warnings

from flows import environment
from pipeline.errors import exit_on_error

# Prefect, DVC and Great Expectations ask these whether they may send how they are used, the first when it is imported.
os.environ |= {"DO_NOT_TRACK": "1", "DVC_NO_ANALYTICS": "1", "GX_ANALYTICS_ENABLED": "false"}

# Prefect says so when it is imported, before anything can be asked; it is said here on one line.
warnings.filterwarnings("ignore", message="Failed to (create the Prefect home directory|load profiles)")

with exit_on_error():
    environment.prepare()
