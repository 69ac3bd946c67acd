"""How batches differ from what is usual for their model: the part of a batch's report, and the page over many of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reports import html

NAME, TITLE = "drift.html", "Scored batches beside what is usual"
WORDS = {
    "side": "longest side, pixels",
    "shade": "mean shade, 0 to 255",
    "contrast": "contrast of the shades",
    "ink": "ink of the digit, 0 to 255",
    "softness": "share of soft ink",
    "aspect": "width over height",
    "slant": "slant to the right",
    "confidence": "confidence",
    "digits": "digits that were read",
    "review": "share for review",
    "blank": "share that is blank",
    "unreadable": "share that cannot be read",
}
WIDTH, HEIGHT = 144, 44
# Of a line chart.
LONG, HIGH, MARGIN = 640, 70, 8


@dataclass(frozen=True)
class Past:
    """A batch as the page over many shows it: texts, but for the number of ``rows``, and ``figures`` by their names.

    ``finished``: when, in UTC; ``report``: the address of its page from the folder, or nothing.
    """

    name: str
    finished: str
    model: str
    rows: int
    review: str
    expected: str
    words: str
    figures: Mapping[str, Mapping[str, Any]]
    report: str


def of_batch(drift: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give what is drawn of the figures of a batch, those that have drifted first; ``drift``: as in its manifest."""
    figures = sorted(drift.get("figures", ()), key=lambda one: (not one["has_drifted"], -one["effect"]))
    return [{**one, "words": WORDS[one["name"]], **_histogram(one)} for one in figures]


def in_markdown(drift: Mapping[str, Any], certified: str) -> str:
    """Write the figures of a batch as a table, below what accuracy is expected and what is ``certified``, in words."""
    lines = []
    if "expected_accuracy" in drift:
        right = f"By confidence, {drift['expected_accuracy']:.1%} of the labels are expected to be right"
        lines += [f"{right}, if the writing is as in training{certified and f'. By what a person keyed, {certified}'}.", ""]
    if drift["figures"]:
        lines += ["| figure | effect | p |", "|---|---|---|"]
    for one in drift["figures"]:
        lines.append(f"| {WORDS[one['name']]}{' **drifted**' * one['has_drifted']} | {one['effect']:.2f} | {one['p']:.2g} |")
    return "\n".join(lines)


def _histogram(figure: Mapping[str, Any]) -> dict[str, Any]:
    """Draw bars of the batch, and in steps the line of the reference, as an SVG path each."""
    shape, usual = figure["shape"], figure["usual_shape"]
    if not shape:
        return {"bars": "", "line": ""}
    unit, width = HEIGHT / max(*shape, *usual), WIDTH / len(shape)
    bars = "".join(
        f"M{width * place:.1f} {HEIGHT}v{-unit * share:.1f}h{width - 1:.1f}V{HEIGHT}" for place, share in enumerate(shape)
    )
    line = "".join(f"V{HEIGHT - unit * share:.1f}h{width:.1f}" for share in usual)
    return {"bars": bars, "line": f"M0 {HEIGHT}{line}V{HEIGHT}"}


def write(folder: Path, batches: Sequence[Past], least_effect: float) -> Path:
    """Write the page over the batches below ``folder``, oldest first, and give its place. Raises PipelineError."""
    names = [name for name in WORDS if any(name in one.figures for one in batches)]
    lines = [line(name, batches, least_effect) for name in names]
    page = html.render(
        "drift.html.jinja", title=TITLE, batches=batches, lines=lines, changes=_changes(batches), long=LONG, high=HIGH
    )
    html.write(folder / NAME, page)
    return folder / NAME


def line(name: str, batches: Sequence[Past], least_effect: float) -> dict[str, Any]:
    """Draw the effects of a figure over batches: pieces of a line, broken where a batch lacks it, and a dot for each."""
    effects = [one.figures.get(name) for one in batches]
    top = max([2 * least_effect, *(one["effect"] for one in effects if one)])
    pieces: list[list[str]] = [[]]
    dots = []
    for place, (batch, one) in enumerate(zip(batches, effects, strict=True)):
        if one is None:
            pieces.append([])
            continue
        x, y = place_of(place, len(batches)), round(HIGH - MARGIN - (HIGH - 2 * MARGIN) * one["effect"] / top, 1)
        pieces[-1].append(f"{x},{y}")
        means = "" if one["batch"] is None else f", {one['batch']:.4g} beside {one['reference']:.4g}"
        words = f"{batch.name}, {batch.finished}: {one['effect']:.2f}, p {one['p']:.2g}{means}"
        dots.append({"x": x, "y": y, "has_drifted": one["has_drifted"], "words": words})
    bound = round(HIGH - MARGIN - (HIGH - 2 * MARGIN) * least_effect / top, 1)
    drawn = [" ".join(one) for one in pieces if one]
    return {"name": name, "words": WORDS[name], "pieces": drawn, "dots": dots, "bound": bound}


def place_of(number: int, count: int) -> float:
    """Give where on the line the batch of a number stands."""
    return round(MARGIN + (LONG - 2 * MARGIN) * (number / (count - 1) if count > 1 else 0.5), 1)


def _changes(batches: Sequence[Past]) -> list[dict[str, Any]]:
    """Find where another model begins."""
    models = [one.model for one in batches]
    return [
        {"x": round((place_of(place, len(models)) + place_of(place - 1, len(models))) / 2, 1), "model": model}
        for place, model in enumerate(models)
        if place and model != models[place - 1]
    ]
