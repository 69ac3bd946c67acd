"""How a command speaks to a person: words and tables that fit the terminal, and less of them with ``--quiet``."""

import io
import sys
import textwrap
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from shutil import get_terminal_size

from pipeline.names import shown

# From here on a table shows every column; outside a terminal it is so wide that no line is ever broken.
ALL_COLUMNS_FROM = 130
UNBROKEN = 10_000
WARNING = "warning: "

is_quiet = False


def set_quiet(quiet: bool) -> None:
    """Leave out, from now on, what a command says of its own work: errors, warnings and what was asked for remain."""
    global is_quiet  # noqa: PLW0603 - one process is one command
    is_quiet = quiet


def width() -> int:
    """Give the columns of the terminal that standard output is; far more where it is none."""
    return get_terminal_size().columns if sys.stdout.isatty() else UNBROKEN


def say(words: str) -> None:
    """Say on standard error what a person should know while a command works; with ``--quiet`` warnings alone."""
    if not is_quiet or words.startswith(WARNING):
        print(words, file=sys.stderr, flush=True)


@contextmanager
def hushed() -> Iterator[None]:
    """Print what the block prints; with ``--quiet`` its warnings alone, on standard error."""
    if not is_quiet:
        yield
        return
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        for line in printed.getvalue().splitlines():
            if line.startswith(WARNING):
                say(line)


def out(*texts: str) -> None:
    """Say what a command did, unless it is to be quiet."""
    if not is_quiet:
        lay(*texts)


def lay(*texts: str) -> None:
    """Print texts, in a terminal broken between words; a path that is longer than a line stays whole."""
    for line in (line for text in texts for line in text.split("\n")):
        indent = line[: len(line) - len(line.lstrip())]
        broken = textwrap.wrap(line, width(), subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False)
        print("\n".join(broken or [""]) if len(line) > width() else line)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, wide: Collection[str] = (), instead: str = "", section: int = 0
) -> None:
    """Print a table, a row for each tuple; cells of numbers stand to the right.

    ``wide``: the columns that a terminal of less than 130 has no room for, and ``instead`` what shows those. ``section``: the
    number of rows that a line is drawn under.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    kept = [number for number, column in enumerate(columns) if column not in wide or width() >= ALL_COLUMNS_FROM]
    table = Table()
    for number in kept:
        cells = [row[number].replace(",", "") for row in rows if row[number]]
        is_number = bool(cells) and all(map(str.isdecimal, cells))
        table.add_column(columns[number], overflow="fold", justify="right" if is_number else "left")
    for number, row in enumerate(rows, 1):
        table.add_row(*(escape(shown(row[one])) for one in kept), end_section=number == section)
    Console(highlight=False, width=width()).print(table)
    left_out = [column for number, column in enumerate(columns) if number not in kept]
    if left_out:
        lay(f"In {ALL_COLUMNS_FROM} columns, or by {instead}: {', '.join(left_out)}")
