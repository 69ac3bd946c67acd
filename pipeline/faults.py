"""What is wrong in a YAML file, and in which line."""

from typing import Any


def describe(fault: Any, content: Any) -> str:
    """Put a fault that pydantic found into words: line, key, and what is wrong. ``content``: what ruamel.yaml read."""
    # pydantic adds "[key]" where a key is not one of those that may be.
    key = ".".join(str(part) for part in fault["loc"] if part != "[key]") or "the whole file"
    line = _line(content, fault["loc"])
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"line {line}: {key}: unknown key"
    if fault["type"] == "missing":
        return f"line {line}: {key}: missing"
    message = fault["msg"].removeprefix("Value error, ")
    return f"line {line}: {key}: {message[0].lower()}{message[1:]}" + (
        "" if isinstance(fault["input"], dict) else f", not {fault['input']!r}"
    )


def _line(content: Any, location: tuple[str | int, ...]) -> int:
    """Find the line of a key, or of the nearest section around it that the file has, counted from 1."""
    line = 0
    for part in location:
        try:
            place = content.lc.item(part) if isinstance(part, int) else content.lc.key(part)
            line, content = place[0], content[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line + 1
