"""Names and numbers in messages: a POSIX name is any bytes, a message is one line of text."""

import os
from pathlib import Path


def shown(name: Path | str | bytes) -> str:
    r"""Write a name for a message: bytes that are no UTF-8, and characters that do not print, become ``\xNN`` or the like."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def counted(number: int, what: str) -> str:
    """Write a number of things, of which one is named in the singular: ``1 warning``, ``1,797 images``."""
    return f"{number:,} {what}{'s' * (number != 1)}"
