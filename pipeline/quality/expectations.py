"""What is expected of data: each expectation has a name, a severity and a reason, and Great Expectations checks it.

A ``critical`` one that fails stops the run; a ``warning`` is reported. ``no_image_is_...`` warns of a single image, and
``few_images_are_...`` stops the run where there are more than strays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from pipeline.datasets.raw import Faults
from pipeline.digits.pictures import features
from pipeline.imports import faster
from pipeline.params import Validate
from pipeline.quality.tables import Tables

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

Severity = Literal["critical", "warning"]
CRITICAL: Severity = "critical"
WARNING: Severity = "warning"
FULL = 255


@dataclass(frozen=True)
class Suite:
    """Expectations by their names, and the table they are about; its column ``name`` names the rows that break them."""

    name: str
    table: pd.DataFrame
    expectations: "dict[str, Expectation]"


def of_files(files: Sequence[Faults]) -> Suite:
    """Expect whole IDX files that fit each other."""
    return Suite(
        "files",
        pd.DataFrame(files),
        {
            "file_is_idx": _nothing("not_idx", CRITICAL, "what does not begin as IDX does is another file, or a damaged one"),
            "file_is_whole": _nothing("misfit", CRITICAL, "a file longer or shorter than its header says is cut or misread"),
            "file_has_its_shape": _nothing("odd_shape", CRITICAL, "images are 28x28, and a label is one number"),
            "images_and_labels_are_as_many": _nothing("unpaired", CRITICAL, "else every label belongs to another image"),
        },
    )


def of_labelled(tables: Tables, bounds: Validate, *, is_known: bool) -> list[Suite]:
    """Expect labelled digits. ``is_known``: the data set has its own reference, which its features are compared with."""
    suites = [
        Suite("splits", tables.splits, _of_splits(bounds)),
        Suite("orientations", tables.orientations, _of_orientations(bounds)),
        Suite("classes", tables.classes, _of_classes(bounds)),
        # Each split has a suite: a share of all images would hide the faults of a small split.
        *(
            Suite(
                f"{split} images",
                images,
                {
                    **_of_pictures(bounds),
                    **_of_labels(bounds, is_known=is_known),
                    **_of_repetitions(bounds, is_trained_on=split == features.TRAIN),
                },
            )
            for split, images in tables.images.groupby("split", sort=False)
        ),
    ]
    return [*suites, Suite("features", tables.drift, _of_drift(bounds))] if is_known else suites


def of_scans(files: Sequence[tuple[str, str | None]], maximum_error_share: float) -> Suite:
    """Expect files that are pictures. ``files``: the name of each, and why it could not be read, or None."""
    why = "it cannot be scored, or learned from"
    return Suite(
        "files",
        pd.DataFrame(files, columns=["name", "fault"], dtype=object),
        {
            "no_file_is_unreadable": _nothing("fault", WARNING, why),
            "few_files_are_unreadable": _nothing("fault", CRITICAL, why, tolerated=maximum_error_share),
        },
    )


def of_left_out(scans: Sequence[tuple[str, str | None]], maximum_share: float) -> Suite:
    """Expect labelled scans to learn from. ``scans``: the name of each, and why it is left out, or None."""
    why = "nothing is learned from it"
    return Suite(
        "labelled scans",
        pd.DataFrame(scans, columns=["name", "reason"], dtype=object),
        {
            "no_scan_is_left_out": _nothing("reason", WARNING, why),
            "few_scans_are_left_out": _nothing("reason", CRITICAL, why, tolerated=maximum_share),
        },
    )


def of_batch(images: pd.DataFrame, bounds: Validate) -> Suite:
    """Expect digits without labels. ``images``: the table of that name."""
    return Suite(
        "images", images.drop(columns="label"), {**_of_pictures(bounds), **_of_repetitions(bounds, is_trained_on=True)}
    )


def _of_splits(bounds: Validate) -> "dict[str, Expectation]":
    return {
        "pixels_go_up_to_full_ink": _between(
            "largest", CRITICAL, "pixels are bytes; where none is above 1 they were scaled to 0 to 1", low=bounds.minimum_peak
        ),
        "split_is_large_enough": _between(
            "images", CRITICAL, "from fewer nothing is learned, or told", low=bounds.minimum_images
        ),
        "split_is_as_published": _between("missing", WARNING, "images are missing, or there are more", low=0, high=0),
    }


def _of_orientations(bounds: Validate) -> "dict[str, Expectation]":
    why = "more labels fit when that is undone (gain: the share of them); a digit that is turned is another, or none"
    return {"images_are_upright": _between("gain", CRITICAL, why, high=bounds.maximum_turned_gain)}


def _of_classes(bounds: Validate) -> "dict[str, Expectation]":
    low, high = bounds.usual_class_shares
    return {
        "every_digit_is_common": _between(
            "share", CRITICAL, "a digit that is rare or missing is not learned", low=bounds.minimum_class_share
        ),
        "digits_are_balanced": _between("share", WARNING, "a digit is rarer, or more common, than usual", low=low, high=high),
    }


def _of_labels(bounds: Validate, *, is_known: bool) -> "dict[str, Expectation]":
    expectations = {
        "label_is_a_digit": _between("label", CRITICAL, "a label is a whole number from 0 to 9", low=0, high=9),
        "most_labels_fit_their_images": _between(
            "label_gap",
            CRITICAL,
            "labels and images are shuffled against each other, or are of two codes",
            high=0,
            tolerated=bounds.maximum_disagreement,
        ),
        "no_image_has_two_labels": _nothing("contradicts", CRITICAL, "the same pixels stand under another label"),
    }
    if is_known:
        expectations["labels_fit_their_images"] = _between(
            "label_gap",
            WARNING,
            "another digit is far likelier than the label",
            high=bounds.maximum_label_gap,
            tolerated=bounds.maximum_misfit_share,
        )
    return expectations


def _of_repetitions(bounds: Validate, *, is_trained_on: bool) -> "dict[str, Expectation]":
    expectations = {
        "no_image_is_a_copy": _nothing("copy_of", WARNING, "copies count twice"),
        "few_images_are_copies": _nothing(
            "copy_of", CRITICAL, "so many copies are no chance", tolerated=bounds.maximum_copied_share
        ),
    }
    if not is_trained_on:
        expectations["no_test_image_is_in_training"] = _nothing(
            "trained_as", CRITICAL, "what a model was trained on tells nothing of how it reads what is new"
        )
    return expectations


def _of_pictures(bounds: Validate) -> "dict[str, Expectation]":
    """Expect digits, as they are after normalising, with or without labels: the table ``images``."""
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "inverted": ("border", {"high": bounds.maximum_border, "why": "ink at the border: dark on light, or cut off"}),
        "blank": ("mean", {"low": FULL * bounds.minimum_ink, "why": "a page without ink shows no digit"}),
        "saturated": ("mean", {"high": FULL * bounds.maximum_ink, "why": "a page full of ink shows no digit"}),
        "faint": ("maximum", {"low": bounds.minimum_peak, "why": "strokes this faint cannot be told from paper"}),
        "off_centre": (
            "off_centre",
            {"high": bounds.maximum_off_centre, "why": "shifted, or not normalised"},
        ),
        "unlike_a_digit": ("strangeness", {"high": bounds.maximum_strangeness, "why": "no digit has such pixels"}),
    }
    expectations = {}
    for kind, (column, bound) in kinds.items():
        expectations[f"no_image_is_{kind}"] = _between(column, WARNING, **bound)
        expectations[f"few_images_are_{kind}"] = _between(column, CRITICAL, **bound, tolerated=bounds.maximum_stray_share)
    return expectations


def _of_drift(bounds: Validate) -> "dict[str, Expectation]":
    why = "the mean of a feature, by digit, is so many standard deviations from the usual"
    return {
        "no_feature_is_far_off": _between("drift", CRITICAL, why, low=-bounds.maximum_drift, high=bounds.maximum_drift),
        "no_feature_has_drifted": _between("drift", WARNING, why, low=-bounds.usual_drift, high=bounds.usual_drift),
    }


def _between(
    column: str,
    severity: Severity,
    why: str,
    *,
    low: float | None = None,
    high: float | None = None,
    tolerated: float = 0.0,
) -> "Expectation":
    """Expect values between two bounds, both allowed, but for a tolerated share of the rows, 0 to 1."""
    return _gxe().ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, mostly=1 - tolerated, severity=severity, notes=why
    )


def _nothing(column: str, severity: Severity, why: str, *, tolerated: float = 0.0) -> "Expectation":
    """Expect no value, but for a tolerated share of the rows, 0 to 1."""
    return _gxe().ExpectColumnValuesToBeNull(column=column, mostly=1 - tolerated, severity=severity, notes=why)


def _gxe() -> Any:
    with faster():
        from great_expectations import expectations
    return expectations
