"""What is expected of the images, checked by Great Expectations on one row of features for each image."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

NAMED_ROWS = 20


@dataclass(frozen=True)
class Suite:
    """Expectations by their names, and the table they are about; its column ``name`` names the rows that break them."""

    name: str
    table: pd.DataFrame
    expectations: "dict[str, Expectation]"


@dataclass(frozen=True)
class Outcome:
    """What became of one expectation: why it stands, how many rows break it, and the first of them with their values."""

    suite: str
    expectation: str
    why: str
    success: bool
    offending_count: int
    offending: list[dict[str, Any]]

    def __str__(self) -> str:
        """Say it on one line, with the first three rows."""
        rows = ", ".join(" = ".join(str(value) for value in reversed(row.values())) for row in self.offending[:3])
        return f"{self.expectation}: {self.offending_count} of {self.suite} break it, first {rows} ({self.why})"


def of_images(
    features: pd.DataFrame, *, minimum_ink: float, maximum_ink: float, minimum_peak: float, maximum_border: float
) -> Suite:
    """Expect digits on clean paper. ``features``: as ``digits.features.image_features`` gives them; bounds in its units."""
    from great_expectations import expectations as gxe

    return Suite(
        "images",
        features,
        {
            "label_is_a_digit": gxe.ExpectColumnValuesToBeInSet(
                column="label", value_set=list(range(10)), notes="a label is a whole number from 0 to 9"
            ),
            "ink_is_a_glyph": gxe.ExpectColumnValuesToBeBetween(
                column="ink",
                min_value=minimum_ink,
                max_value=maximum_ink,
                notes="with less the page is blank, with more it is a blot",
            ),
            "ink_is_dark": gxe.ExpectColumnValuesToBeBetween(
                column="peak", min_value=minimum_peak, notes="strokes this faint cannot be told from paper"
            ),
            "border_is_paper": gxe.ExpectColumnValuesToBeBetween(
                column="border", max_value=maximum_border, notes="a bright border means an inverted or cut-off image"
            ),
        },
    )


def of_classes(shares: pd.DataFrame, *, minimum_class_share: float) -> Suite:
    """Expect every digit in every split. ``shares``: as ``digits.features.class_shares`` gives them."""
    from great_expectations import expectations as gxe

    return Suite(
        "classes",
        shares,
        {
            "every_digit_is_common": gxe.ExpectColumnValuesToBeBetween(
                column="share", min_value=minimum_class_share, notes="a digit that is rare or missing is not learned"
            )
        },
    )


def check(suites: Sequence[Suite], docs: Path) -> list[Outcome]:
    """Check every suite and write Data Docs, a static site that opens from disk, into the folder ``docs``."""
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction

    # It logs what it cannot write, with a traceback, and goes on; the caller looks whether the site is there.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.add_data_docs_site(
        "local",
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())},
        },
    )
    source = context.data_sources.add_pandas("features")
    outcomes = []
    for suite in suites:
        batch = source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("all")
        expected = context.suites.add(gx.ExpectationSuite(suite.name, expectations=_named(suite)))
        definition = gx.ValidationDefinition(name=suite.name, data=batch, suite=expected)
        checkpoint = gx.Checkpoint(
            name=suite.name,
            validation_definitions=[context.validation_definitions.add(definition)],
            actions=[UpdateDataDocsAction(name="data-docs", site_names=["local"])],
            result_format={
                "result_format": "SUMMARY",
                "partial_unexpected_count": NAMED_ROWS,
                "unexpected_index_column_names": ["name"],
            },
        )
        (validation,) = context.checkpoints.add(checkpoint).run({"dataframe": suite.table}).run_results.values()
        outcomes += [_outcome(suite, row) for row in validation.results]
    return outcomes


def _named(suite: Suite) -> "list[Expectation]":
    for name, expectation in suite.expectations.items():
        expectation.meta = {"name": name}
    return list(suite.expectations.values())


def _outcome(suite: Suite, validation: "ExpectationValidationResult") -> Outcome:
    configuration, found = validation.expectation_config, validation.result
    name = configuration.meta["name"]
    return Outcome(
        suite=suite.name,
        expectation=name,
        why=str(suite.expectations[name].notes),
        success=bool(validation.success),
        offending_count=int(found.get("unexpected_count", 0)),
        offending=[
            {key: value.item() if hasattr(value, "item") else value for key, value in row.items()}
            for row in found.get("partial_unexpected_index_list") or []
        ],
    )
