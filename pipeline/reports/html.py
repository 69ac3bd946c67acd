"""Pages for people: templates with their style and script in them, so that a page needs nothing but itself.

A page loads nothing and runs no script but its own, whatever text is in it: its Content-Security-Policy says so.
"""

import base64
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from pipeline import atomic

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FOLDER = Path(__file__).parent
STYLE = "page.css"
# A page's lines, which no template needs to see, go here. No name of a file has this character in it.
HOLE = "\0"
COPIED = 2**20
BEFORE_LINES = b'<script type="application/x-ndjson" id="rows">\n'
AFTER_LINES = b"</script>"


@cache
def load(template: str) -> "Template":
    """Load a template, which takes a moment the first time."""
    return _environment().get_template(template)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=select_autoescape(["html.jinja"]), trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["thousands"] = "{:,}".format
    return environment


def render(template: str, script: str = "", *, connects: bool = False, **values: Any) -> str:
    """Fill in a template and escape everything in it; ``script`` names the file of the script that the page runs.

    ``connects``: it may ask the server that it came from.
    """
    code = (FOLDER / script).read_text(encoding="utf-8") if script else ""
    allowed = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() if script else ""
    return load(template).render(
        style=(FOLDER / STYLE).read_text(encoding="utf-8"),
        script=code,
        hole=HOLE,
        allowed=(f"script-src 'sha256-{allowed}'" if script else "script-src 'none'") + "; connect-src 'self'" * connects,
        **values,
    )


def write(target: Path, page: str | Callable[[], str], lines: Iterable[bytes] = ()) -> None:
    """Write a page in one step, with its ``lines`` where the template has HOLE. Raises PipelineError.

    A page that is a function is asked for when the lines are there.
    """
    with atomic.replacing(target) as temporary, TemporaryFile(dir=target.parent) as body, temporary.open("wb") as file:
        body.writelines(lines)
        body.seek(0)
        head, _, tail = (page if isinstance(page, str) else page()).partition(HOLE)
        file.write(head.encode())
        shutil.copyfileobj(body, file, COPIED)
        file.write(tail.encode())


def lines_of(page: Path) -> Iterator[bytes]:
    """Read the lines of a page back; none where it is not there or not whole."""
    try:
        with page.open("rb") as file:
            for line in file:
                if line == BEFORE_LINES:
                    break
            for line in file:
                if line.startswith(AFTER_LINES):
                    return
                yield line
    except FileNotFoundError:
        return
