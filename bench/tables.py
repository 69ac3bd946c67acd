"""Where a benchmark's table goes: printed, and between its marks in ``docs/benchmarks.md``, or of another page."""

import re
from pathlib import Path

PAGE = Path("docs/benchmarks.md")


def replace_table(name: str, table: str, file: Path = PAGE) -> None:
    """Put ``table`` between ``<!-- name -->`` and ``<!-- /name -->``. Raises SystemExit where the marks are missing."""
    print(table)
    page = file.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    changed, count = re.subn(f"{begin}.*{end}", lambda _: f"{begin}\n{table}\n{end}", page, flags=re.DOTALL)
    if not count:
        raise SystemExit(f"{file}: no {begin} … {end} to put the table into; it stands above.")
    file.write_text(changed, encoding="utf-8")
