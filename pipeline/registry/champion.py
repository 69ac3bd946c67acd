"""``python -m pipeline.registry.champion FILE`` writes the champion's Keras model, whose hash the registry vouches for.

The stage ``train`` runs it, which is not to run again whenever the registry's code changes.
"""

import sys
from pathlib import Path

from pipeline import layout
from pipeline.errors import exit_on_error
from pipeline.registry import contents, versions

if __name__ == "__main__":
    with exit_on_error():
        (content,) = contents.read(versions.find(versions.CHAMPION), layout.MODEL / layout.KERAS_MODEL)
        Path(sys.argv[1]).write_bytes(content)
