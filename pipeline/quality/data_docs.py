"""Great Expectations' Data Docs, as pages that need nothing but themselves.

As they come, these pages load style sheets and scripts from fifteen addresses. Without a network they are bare, or lack tables.
Here one style sheet of ours replaces those, and nothing needs a script.
"""

import html
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import atomic

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.expectations.expectation import Expectation

SITE = "local"
DATA = "data"
INDEX = "index.html"
# The same data gives the same bytes: the pages hold neither the time of the run nor its random identifiers.
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
TIME = f"{NO_TIME:%Y-%m-%dT%H:%M:%SZ}"
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
STYLE = Path(__file__).with_name("data_docs.css")
TEMPLATE = "data_docs.html.jinja"
# Under this policy a browser loads nothing from anywhere.
POLICY = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
REPLACED = (
    (re.compile(r"<script\b.*?</script>", re.DOTALL), ""),
    (re.compile(r"<html\b[^>]*>"), '<html lang="en">'),
    (re.compile(r"<link\b[^>]*>"), ""),
    (re.compile(r"<img\b[^>]*>"), "Great Expectations"),
    (re.compile(r"url\('https?:[^)]*'\)"), "none"),
    (re.compile(r"<footer\b.*?</footer>", re.DOTALL), ""),
    # Without the scripts these do nothing.
    (re.compile(r' on[a-z]+="[^"]*"'), ""),
    (re.compile(rf"<tr\b(?:(?!<tr\b|</tr>).)*{TIME}.*?</tr>", re.DOTALL), ""),
    (re.compile(f" / {TIME}"), ""),
)


def write(
    context: "AbstractDataContext",
    validation: "ExpectationSuiteValidationResult",
    expectations: "list[Expectation]",
    docs: Path,
) -> None:
    """Write the site of a validation of some expectations into the folder ``docs``. Raises PipelineError."""
    from great_expectations import ExpectationSuite
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    context.add_data_docs_site(
        SITE,
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())},
        },
    )
    for one in validation.results:
        one.result = _escaped(one.result)
    context.suites.add(ExpectationSuite(DATA, expectations=expectations))
    run = RunIdentifier(run_name="validate", run_time=NO_TIME)
    validation.meta["run_id"] = run
    key = ValidationResultIdentifier(ExpectationSuiteIdentifier(DATA), run, batch_identifier=DATA)
    context.validation_results_store.set(key, validation)
    context.build_data_docs(site_names=[SITE])
    if (docs / INDEX).is_file():  # Great Expectations does not say so where it cannot write
        _make_self_contained(docs, validation.statistics or {})


def _escaped(value: Any) -> Any:
    """Escape every text in a result: Great Expectations writes names of files into its pages as they are."""
    match value:
        case str():
            return html.escape(value)
        case dict():
            return {name: _escaped(one) for name, one in value.items()}
        case list():
            return [_escaped(one) for one in value]
    return value


def _make_self_contained(docs: Path, statistics: dict[str, object]) -> None:
    from jinja2 import Environment, FileSystemLoader

    shutil.rmtree(docs / "static", ignore_errors=True)  # fonts and pictures that the pages no longer use
    style = STYLE.read_text(encoding="utf-8")
    pages = [page for page in docs.rglob("*.html") if page != docs / INDEX]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for what, instead in REPLACED:
            text = what.sub(instead, text)
        for number, drawn in enumerate(dict.fromkeys(UUID.findall(text))):
            text = text.replace(drawn, str(number))
        atomic.write_text(page, text.replace("</head>", f"{POLICY}\n<style>{style}</style>\n</head>", 1))
    # Its tables are drawn by a script.
    environment = Environment(loader=FileSystemLoader(STYLE.parent), autoescape=True, trim_blocks=True)
    places = sorted(page.relative_to(docs).as_posix() for page in pages)
    index = environment.get_template(TEMPLATE).render(policy=POLICY, style=style, statistics=statistics, places=places)
    atomic.write_text(docs / INDEX, index)
