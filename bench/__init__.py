"""Benchmarks: whole processes, measured side by side."""
