"""``python -m pipeline``: the ``digits`` command from the code in the working folder, which is what DVC versions."""

from pipeline.cli import main

main()
