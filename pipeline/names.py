"""Names of files and folders as people are shown them: a POSIX name is any bytes, a message is one line of text."""

import os
from pathlib import Path


def shown(name: Path | str | bytes) -> str:
    r"""Write a name for a message: what is no UTF-8, or does not print, becomes ``\xNN`` or the like."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
