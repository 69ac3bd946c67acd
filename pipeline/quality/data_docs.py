"""Great Expectations' Data Docs, as pages that need nothing but themselves.

As they come, these pages load style sheets and scripts from fifteen addresses. Without a network they are bare, or lack tables.
Here one style sheet of ours replaces those, and nothing needs a script.
"""

import hashlib
import html
import re
import shutil
from base64 import b64encode
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
# What a page calls the columns that expectations are about.
WORDS = {
    "not_idx": "Files that are not IDX",
    "misfit": "Files longer or shorter than their header says",
    "odd_shape": "Files of another shape",
    "unpaired": "Files whose images and labels are not as many",
    "fault": "Files that cannot be read",
    "reason": "Scans that are left out",
    "largest": "Largest pixel of a split, 0 to 255",
    "images": "Images of a split",
    "missing": "Images that a split lacks",
    "gain": "Share of labels that fit better when images are turned",
    "share": "Share of a digit",
    "label": "Labels",
    "label_gap": "How much likelier another digit is than the label",
    "contradicts": "Images whose pixels stand under another label too",
    "copy_of": "Copies of another image",
    "trained_as": "Test images that are in training",
    "border": "Ink at the border, 0 to 255",
    "mean": "Mean ink, 0 to 255",
    "maximum": "Darkest ink, 0 to 255",
    "off_centre": "Distance of the ink from the centre, pixels",
    "strangeness": "Unlikeness to any digit",
    "drift": "Mean of a feature, standard deviations from the usual",
}
# The start page's only script: the file's own date, since the same data gives the same bytes.
SCRIPT = """
const day = new Date(document.lastModified).toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short" });
document.getElementById("written").textContent = `Written here on ${day}.`;
"""
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
    # Words that make what is right look like a fault.
    (re.compile(r"\s*Data asset: None<br>"), ""),
    (re.compile(r">\s*100% null<"), ">none<"),
    (re.compile(r">\s*0% unexpected<"), ">as expected<"),
    (re.compile("% unexpected<"), "% outside<"),
)
NULL = re.compile(r"\b(\d+\.?\d*)% null\b")


def write(
    context: "AbstractDataContext",
    validation: "ExpectationSuiteValidationResult",
    expectations: "list[Expectation]",
    docs: Path,
    dataset: str,
    about: str,
) -> None:
    """Write the site of a validation of a data set into the folder ``docs``. Raises PipelineError."""
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
        kwargs = one.expectation_config.kwargs
        kwargs["column"] = WORDS[kwargs["column"]]
    named = [one.copy(update={"column": WORDS[one.column], "notes": None}) for one in expectations]
    context.suites.add(ExpectationSuite(DATA, expectations=named))
    run = RunIdentifier(run_name="validate", run_time=NO_TIME)
    validation.meta["run_id"] = run
    key = ValidationResultIdentifier(ExpectationSuiteIdentifier(DATA), run, batch_identifier=DATA)
    context.validation_results_store.set(key, validation)
    context.build_data_docs(site_names=[SITE])
    if (docs / INDEX).is_file():  # Great Expectations does not say so where it cannot write
        _make_self_contained(docs, dataset=dataset, about=about, statistics=validation.statistics or {})


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


def _make_self_contained(docs: Path, **values: object) -> None:
    from jinja2 import Environment, FileSystemLoader

    shutil.rmtree(docs / "static", ignore_errors=True)  # fonts and pictures that the pages no longer use
    style = STYLE.read_text(encoding="utf-8")
    pages = [page for page in docs.rglob("*.html") if page != docs / INDEX]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for what, instead in REPLACED:
            text = what.sub(instead, text)
        text = NULL.sub(lambda share: f"{100 - float(share[1]):.4g}% found", text)
        for number, drawn in enumerate(dict.fromkeys(UUID.findall(text))):
            text = text.replace(drawn, str(number))
        atomic.write_text(page, text.replace("</head>", f"{POLICY}\n<style>{style}</style>\n</head>", 1))
    # Its tables are drawn by a script.
    environment = Environment(loader=FileSystemLoader(STYLE.parent), autoescape=True, trim_blocks=True)
    places = sorted(page.relative_to(docs).as_posix() for page in pages)
    digest = b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = POLICY.replace("default-src", f"script-src 'sha256-{digest}'; default-src")
    index = environment.get_template(TEMPLATE).render(policy=policy, style=style, script=SCRIPT, places=places, **values)
    atomic.write_text(docs / INDEX, index)
