"""A batch pipeline for handwritten digits: DVC stages, a Git registry of models, and batch scoring."""
