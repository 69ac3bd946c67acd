"""What commands of ``digits`` have in common: where they work, ``--quiet``, the words of the help, what a shell completes."""

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from pipeline import git, layout, terminal
from pipeline.errors import PipelineError
from pipeline.names import shown

STANDARD_INPUT = Path("-")
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but warnings, errors and what was asked for.")]
WORDS = {
    "bool": "",
    "str": "TEXT",
    "int": "NUMBER",
    "int range": "NUMBER",
    "float range": "NUMBER",
    "dir": "FOLDER",
    "list[Path]": "FOLDER",
    "file": "FILE",
}


def in_project(function: Callable[..., None]) -> Callable[..., None]:
    """Let a command work in the root of the project that the user stands in, and be told to be quiet.

    Paths that the user gives start where the user stands, as with Git.
    """

    @functools.wraps(function)
    def run(*, quiet: bool, **given: Any) -> None:
        terminal.set_quiet(quiet)
        layout.enter_root()
        if layout.stood_in.parts:
            terminal.say(f"in {shown(Path.cwd())}")
        git.have_user_name()
        function(**{name: _from_root(value) for name, value in given.items()})

    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    signature = inspect.signature(function)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    run.__annotations__ = {**function.__annotations__, "quiet": Quiet}
    return run


def _from_root(given: Any) -> Any:
    """Give a path, or each of some, as it is from the root."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        return [_from_root(one) for one in given]
    if not isinstance(given, Path) or given == STANDARD_INPUT or layout.address_of(given):
        return given
    return layout.stood_in / given


def digits_in(text: str) -> tuple[int, ...]:
    """Read digits and ranges of them, such as ``0-5,8``. Raises BadParameter."""
    digits: set[int] = set()
    for piece in text.split(","):
        first, _, last = piece.strip().partition("-")
        if not re.fullmatch("[0-9]", first) or not re.fullmatch("[0-9]", last or first) or first > (last or first):
            raise typer.BadParameter(
                f"{text!r}: name digits, or ranges such as 0-5, with commas between.", param_hint="--allow"
            )
        digits |= set(range(int(first), int(last or first) + 1))
    return tuple(sorted(digits))


class _Worded:
    """Says of a parameter in the help what it takes, in words, and nothing of one that takes nothing."""

    def get_params(self, ctx: Any) -> list[Any]:
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for one in found:
            if isinstance(one, TyperArgument):
                one.metavar = one.metavar or (one.name.upper() if one.nargs == 1 else f"{one.name.upper()}...")
                one.display_type_rich = lambda _ctx=None, **_: None  # type: ignore[method-assign]
            elif one.metavar is None:
                kind = one.display_type(ctx).strip("<>")
                one.metavar = WORDS.get(kind, kind)
        return found

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Give the parts of the usage line, as every other tool writes them: ``FOLDER``, ``[FOLDER]...``."""
        return [re.sub("[{}]", "", one).replace("......", "...") for one in super().collect_usage_pieces(ctx)]  # type: ignore[misc]


class Command(_Worded, TyperCommand):
    """A command."""


class Group(_Worded, TyperGroup):
    """The command ``digits``."""


def versions(incomplete: str) -> list[str]:
    """Complete the name of a registered version."""
    from pipeline.registry import versions as registry

    with suppress(PipelineError):
        layout.enter_root()
        return _starting(incomplete, [registry.CHAMPION, *(one.version for one in registry.registered())])
    return []


def batches(incomplete: str) -> list[str]:
    """Complete the name of a scored batch."""
    with suppress(PipelineError):
        layout.enter_root()
        return _starting(incomplete, (shown(place.parent.name) for place in layout.SCORES.glob("*/manifest.json")))
    return []


def folders(incomplete: str) -> list[str]:
    """Complete a folder: one of the inbox, or any. Bash itself does the latter better."""
    above, slash, _ = incomplete.rpartition("/")
    waiting = [f"{place}" for place in layout.INBOX.glob("*/")]
    if (found := _starting(incomplete, waiting)) or os.environ.get("_DIGITS_COMPLETE") == "complete_bash":
        return found
    with suppress(OSError):
        return _starting(
            incomplete, [f"{above}{slash}{one.name}/" for one in Path(above + slash or ".").iterdir() if one.is_dir()]
        )
    return []


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
