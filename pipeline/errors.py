"""The one family of errors that a user can act on."""


class PipelineError(Exception):
    """Says on one line what happened, where, and what to do next. The command line prints it and exits 1."""
