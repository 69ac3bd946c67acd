"""Charts of a training, as SVG in the colour of the text around it, for light pages, dark pages and paper."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.errors import PipelineError

# By Okabe and Ito (2008); the blue is lighter, so that it stands out from dark pages too.
BLUE, VERMILION, GREY = "#1f83bd", "#d55e00", "#8888"
TEXT = "currentColor"
# Pixels of a chart with its axes, which the page stretches to the width that there is.
WIDTH, HEIGHT = 480, 340


def learning_curves(table: pd.DataFrame) -> dict[str, str]:
    """Draw ``loss`` and ``accuracy`` by epoch, of training and validation; columns as Keras's CSVLogger writes them."""
    alt = _altair()
    long = pd.concat(
        [
            pd.DataFrame({"epoch": table["epoch"], "value": table[f"{prefix}{kind}"], "images": words, "kind": kind})
            for kind in ("loss", "accuracy")
            for prefix, words in (("", "training"), ("validation_", "validation"))
        ]
    )
    colour = alt.Color("images:N", scale=alt.Scale(range=[BLUE, VERMILION]), legend=alt.Legend(orient="top", title=None))
    return {
        kind: _svg(
            alt.Chart(long[long["kind"] == kind])
            .mark_line(point=True, strokeWidth=2)
            .encode(
                x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d")),
                y=alt.Y("value:Q", title=kind, scale=alt.Scale(zero=False)),
                color=colour,
                strokeDash=alt.StrokeDash("images:N", legend=None),
            )
        )
        for kind in ("loss", "accuracy")
    }


def confusion(actual: npt.NDArray[np.integer[Any]], answered: npt.NDArray[np.integer[Any]]) -> str:
    """Draw how often each digit, (N,), was answered as each, (N,); a darker cell is a larger share of the digit's images."""
    alt = _altair()
    table = pd.DataFrame({"actual": actual, "answered": answered}).value_counts().reset_index(name="images")
    # A small share would be invisible without the root.
    table["shade"] = (table["images"] / table.groupby("actual")["images"].transform("sum")) ** 0.5 * 0.55
    base = alt.Chart(table).encode(
        x=alt.X("answered:O", axis=alt.Axis(labelAngle=0)), y=alt.Y("actual:O", title="actual digit")
    )
    cells = base.mark_rect(color=BLUE).encode(opacity=alt.Opacity("shade:Q", scale=None))
    numbers = base.mark_text(color=TEXT, fontSize=12).encode(text="images:Q")
    return _svg(cells + numbers)


def calibration(table: pd.DataFrame) -> str:
    """Draw accuracy by confidence; a point's area grows with its images. Columns: ``confidence``, ``accuracy``, ``images``.

    The axes begin at the tenth below the least point.
    """
    alt = _altair()
    starts = [float(np.floor(table[column].min() * 10) / 10) for column in ("confidence", "accuracy")]
    scales = [alt.Scale(domain=[min(start, 0.9), 1], nice=False) for start in starts]
    ends = [max(starts), 1]
    tenths = alt.Axis(format=".1f", tickCount=8)
    ideal = (
        alt.Chart(pd.DataFrame({"confidence": ends, "accuracy": ends}))
        .mark_line(color=GREY, strokeDash=[6, 4])
        .encode(x="confidence:Q", y="accuracy:Q")
    )
    points = (
        alt.Chart(table)
        .mark_circle(color=BLUE, opacity=0.85)
        .encode(
            x=alt.X("confidence:Q", scale=scales[0], axis=tenths),
            y=alt.Y("accuracy:Q", scale=scales[1], axis=tenths),
            size=alt.Size("images:Q", scale=alt.Scale(type="log", range=[30, 350]), legend=None),
        )
    )
    numbers = points.mark_text(color=TEXT, dy=-16, fontSize=11).encode(text="images:Q", size=alt.value(11))
    return _svg(ideal + points + numbers)


def _altair() -> Any:
    try:
        import altair as alt
        import vl_convert  # noqa: F401 - that turns its charts into SVG
    except ImportError as error:
        raise PipelineError(f"{error.name} is not installed. Install the extra `train`: `pip install -e '.[train]'`.") from None
    return alt


def _svg(chart: Any) -> str:
    import vl_convert

    font = {"labelFont": "sans-serif", "titleFont": "sans-serif", "labelFontSize": 12, "titleFontSize": 12}
    colours = {"labelColor": TEXT, "titleColor": TEXT}
    axis = {"domainColor": GREY, "tickColor": GREY, "gridColor": GREY, "gridOpacity": 0.4}
    axis |= {"labelOverlap": "greedy", "labelSeparation": 6, "titlePadding": 8}
    config = {"background": None, "view": {"stroke": None}, "axis": {**axis, **colours, **font}, "legend": {**colours, **font}}
    size = {"width": WIDTH, "height": HEIGHT, "autosize": {"type": "fit", "contains": "padding"}}
    return str(vl_convert.vegalite_to_svg({**chart.to_dict(), **size, "config": config}))
