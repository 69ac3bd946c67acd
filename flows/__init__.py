"""Prefect flows: when the pipeline runs, what is tried again, and what a person sees of it."""
