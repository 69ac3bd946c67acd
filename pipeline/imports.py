"""Importing packages that take seconds."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def faster(*needless: str) -> Iterator[None]:
    """Import in the block what is large, in two thirds to four fifths of the time: without a look for garbage.

    ``needless``: packages that it takes along where they are installed, and that nothing here asks it for.
    """
    was_enabled, left_out = gc.isenabled(), [name for name in needless if name not in sys.modules]
    gc.disable()
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]
        gc.freeze()  # what is imported stays, and need not be looked through from now on
        if was_enabled:
            gc.enable()
