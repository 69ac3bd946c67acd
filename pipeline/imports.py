"""Importing packages that take seconds."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def faster(*needless: str) -> Iterator[None]:
    """Switch off garbage collection in the block: large packages are then imported in two thirds to four fifths of the time.

    ``needless``: packages that the import would import too if they are installed, and that nothing here uses.
    """
    was_enabled, left_out = gc.isenabled(), [name for name in needless if name not in sys.modules]
    gc.disable()
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]
        gc.freeze()  # imported modules stay, and need not be searched from now on
        if was_enabled:
            gc.enable()
