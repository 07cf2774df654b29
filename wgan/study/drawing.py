"""Charts and pictures as PNGs."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from wgan.study.records import Chart, Panel

COLOURS = ("#2f6fb0", "#e07b28", "#3a9a5b", "#b5446e", "#6d5bb0")
DATA_COLOUR = "#c9ccd1"
HEIGHT, DPI = 3.3, 130
WIDEST = 12.0
"""Size in inches."""


def draw_chart(chart: Chart) -> bytes:
    """PNG bytes of all panels, `chart.columns` in a row."""
    columns = min(chart.columns, len(chart.panels)) or 1
    rows = max(1, -(-len(chart.panels) // columns))
    wide = {"line": 5.2, "bars": 3.6, "points": 2.9, "picture": 3.9}
    width = min(WIDEST, sum(wide[panel.kind] for panel in chart.panels[:columns])) if chart.panels else WIDEST
    height = rows * (width / columns if all(panel.kind == "points" for panel in chart.panels) else HEIGHT)
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(rows, columns, squeeze=False).flat, chart.panels, strict=False):
        _draw(axes, panel)
    for axes in figure.axes[len(chart.panels) :]:
        axes.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _draw(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title, fontsize=9.5, loc="left")
    if panel.kind == "picture":
        axes.imshow(np.asarray(Image.open(io.BytesIO(base64.b64decode(panel.png)))), cmap="gray", vmin=0, vmax=255)
        axes.set_axis_off()
        return
    if panel.kind == "points":
        _points(axes, panel)
        return
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(axis="y", alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    _bars(axes, panel) if panel.kind == "bars" else _lines(axes, panel)
    if len(panel.series) > 1:
        two_lines = panel.x_label or any(", " in tick for tick in panel.ticks)
        below = -0.2 if two_lines else -0.12  # below the curves
        axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, below))


def _lines(axes: Axes, panel: Panel) -> None:
    for colour, series in zip(COLOURS, panel.series, strict=False):
        raw = series.label == "each step"
        axes.plot(
            series.x,
            series.y,
            label=series.label,
            color=colour,
            linewidth=0.9 if raw else 1.7,
            alpha=0.45 if raw else 1.0,
            marker="o" if panel.markers else None,
            markersize=3.5,
        )
        if series.low:
            axes.fill_between(series.x, series.low, series.high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale(panel.x_scale)
    axes.set_yscale(panel.y_scale)
    axes.set_xlabel(panel.x_label, fontsize=8.5)
    axes.set_ylabel(panel.y_label, fontsize=8.5)


def _bars(axes: Axes, panel: Panel) -> None:
    thickness = 0.75 / len(panel.series)
    for place, (colour, series) in enumerate(zip(COLOURS, panel.series, strict=False)):
        x = np.array(series.x) + (place - (len(panel.series) - 1) / 2) * thickness
        y = np.array(series.y)
        low, high = np.array(series.low or series.y), np.array(series.high or series.y)
        reach = np.stack([y - low, high - y]).clip(0) if (low < high).any() else None
        axes.bar(x, y, width=0.9 * thickness, color=colour, label=series.label, yerr=reach, ecolor="#555", capsize=2)
        for left, top, value in zip(x, np.maximum(y, high), y, strict=True):
            axes.annotate(f"{value:.3g}", (left, top), (0, 3), textcoords="offset points", ha="center", fontsize=7.5)
    axes.margins(y=0.1)  # room for the numbers on top
    axes.set_xticks(range(len(panel.ticks)), [tick.replace(", ", ",\n") for tick in panel.ticks], fontsize=8)


def _points(axes: Axes, panel: Panel) -> None:
    for colour, series in zip((DATA_COLOUR, COLOURS[0]), panel.series, strict=True):
        axes.scatter(series.x, series.y, s=5, color=colour, alpha=0.8, linewidths=0, label=series.label)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#dddddd")
    if panel.limits:
        axes.set_xlim(panel.limits[0], panel.limits[1])
        axes.set_ylim(panel.limits[2], panel.limits[3])


def picture(image: Image.Image) -> str:
    """A PNG in base64, so that a record can carry it."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
