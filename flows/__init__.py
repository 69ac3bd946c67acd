"""Prefect flows: when the pipeline runs, what is tried again, and what a person sees of it."""

import warnings

# Prefect says so when it is imported, before anything can be asked; `flows.standalone` says it on one line.
warnings.filterwarnings("ignore", message="Failed to create the Prefect home directory")
