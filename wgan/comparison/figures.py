"""The report's figures, as inline SVG that uses the page's colours, so that they follow light and dark mode.

The two sides differ by colour and by mark, dash or hatch, so that they can be distinguished without colour. Every
figure is as wide as a phone, and the page lays them out side by side if there is room.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from wgan.metric_text.table import MetricRow, interval_text
from wgan.records import Interval

WIDTH = 4.1
"""Width in inches; a phone is about 4 inches wide at 90 pixels per inch."""
INK, FAINT, FIRST, SECOND, GOOD = "#010101", "#020202", "#030303", "#040404", "#050505"
PAGE_COLOURS = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    GOOD: "var(--good)",
}
"""Colour in the figure → the page's replacement."""
MOST_CLASSES = 20
"""Maximum classes in a histogram; of more, those whose shares differ most."""
LINEAR_RATIO = 20
"""Distances that differ by more than this factor get a logarithmic axis; shares, at most 1, never do."""
LONGEST_NAME = 24
"""Maximum characters of a class's name beside its bar; the alternative text has the full name."""
MOST_TICKS = 5
WIDER = 1.5
"""How much wider the page's font may draw labels, including the space between them."""
MOST_POINTS = 600
"""Maximum points of a curve; of more, every n-th."""
PANELS = (
    ("Wasserstein estimate, running median", "wasserstein_median"),
    ("Critic loss", "critic_loss"),
    ("Generator loss", "generator_loss"),
    ("Share of critic parameters at the clip bound", "clip_share"),
    ("Gradient norm of the critic", "critic_gradient_norm"),
)
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.limits": (-3, 5),
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Limit:
    """The gate's condition on the difference: its whole interval lies on one side of a value."""

    value: float
    below: bool
    """Whether the interval passes below the value (a distance); else at or above it."""

    @property
    def words(self) -> str:
        """`passes below −0.5`."""
        value = f"{self.value + 0.0:.3g}".replace("-", "−")  # + 0.0: no negative zero
        return f"passes below {value}" if self.below else f"passes from {value} up"


def interval_figure(row: MetricRow, first: str, second: str, limit: Limit | None = None) -> Markup:
    """A forest plot of one metric: real images, both sides, untrained, with intervals; and the difference below.

    The difference has its own axis, which includes 0 and is shaded where the gate passes it: on the axis of the bounds
    it would be too narrow to see.
    """
    lines = [
        ("held-out real images", row.real_images, FAINT, "|"),
        (first, row.champion, FIRST, "o"),
        (second, row.challenger, SECOND, "s"),
        ("untrained", row.untrained, FAINT, "|"),
    ]
    levels = [(label, interval, colour, mark) for label, interval, colour, mark in lines if interval is not None]
    difference = [("difference", row.difference, INK, "D")] if row.difference else []

    def draw(figure: Figure) -> None:
        rows = [group for group in (levels, difference) if group]
        ratios = [len(group) + 0.2 for group in rows]
        for axes, group in zip(
            figure.subplots(len(rows), 1, height_ratios=ratios, squeeze=False)[:, 0], rows, strict=True
        ):
            if group is difference:
                axes.axvline(0, color=INK, linewidth=1, linestyle=(0, (2, 2)))
            _intervals(axes, group)
            if group is difference and limit is not None:
                _shade(axes, limit)

    words = "; ".join(f"{label} {interval_text(interval)}" for label, interval, *_ in (*levels, *difference))
    if difference and limit is not None:
        words += f", {limit.words}"
    height = 0.58 + 0.26 * len(levels) + (0.62 if difference else 0) + (0.16 if difference and limit else 0)
    return _svg(f"interval-{row.name}", f"{row.title}: {words}", height, draw)


def _shade(axes: Axes, limit: Limit) -> None:
    """Shade the side of the limit on which the gate passes, with its edge visible."""
    axes.axvline(limit.value, color=GOOD, linewidth=1.4)
    left, right = axes.get_xlim()
    room = 0.12 * (right - left)  # so that a shaded side is visible even if it is empty
    left, right = min(left, limit.value - room), max(right, limit.value + room)
    axes.axvspan(*((left, limit.value) if limit.below else (limit.value, right)), color=GOOD, alpha=0.16, linewidth=0)
    axes.set_xlim(left, right)
    axes.set_xlabel(limit.words, color=GOOD)


def _intervals(axes: Axes, lines: Sequence[tuple[str, Interval, str, str]]) -> None:
    for position, (_, interval, colour, mark) in enumerate(lines):
        axes.plot([interval.low, interval.high], [position, position], color=colour, linewidth=3.2, alpha=0.55)
        axes.plot(interval.mean, position, mark, color=colour, markersize=8 if mark == "|" else 4.5, mew=1.4)
    axes.set_yticks(range(len(lines)), [label for label, *_ in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.margins(x=0.06)
    if min(low := [interval.low for _, interval, *_ in lines]) > 0 and max(low) > max(1, LINEAR_RATIO * min(low)):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("logarithmic")


def class_figure(
    names: Sequence[str],
    data: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    sides: tuple[str, str],
) -> Markup:
    """Share of each class, all (K,), in both sides' images, as bars, and in the data, as a line across them."""
    shown = np.arange(len(data))
    if len(data) > MOST_CLASSES:
        distance = np.maximum(np.abs(first - data), np.abs(second - data))
        shown = np.sort(np.argsort(-distance, kind="stable")[:MOST_CLASSES])
    positions = np.arange(len(shown))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.barh(positions - 0.2, 100 * first[shown], 0.36, color=FIRST, label=sides[0])
        axes.barh(
            positions + 0.2, 100 * second[shown], 0.36, facecolor="none", edgecolor=SECOND, hatch="////",
            label=sides[1],
        )  # fmt: skip
        axes.vlines(100 * data[shown], positions - 0.45, positions + 0.45, color=INK, linewidth=1.6, label="data")
        axes.set_yticks(positions, [_shortened(names[int(index)]) for index in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel("percent of images")
        figure.legend(loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.2)

    most = int(shown[np.argmax(np.abs(second - data)[shown])])
    words = (
        f"Shares of {len(shown)} classes. {sides[1]} is farthest from the data in {names[most]}: "
        f"{second[most]:.1%} instead of {data[most]:.1%}; {sides[0]} has {first[most]:.1%}"
    )
    return _svg("classes", words, 0.9 + 0.3 * len(shown), draw)


def curve_figures(
    first: Mapping[int, Mapping[str, float]], second: Mapping[int, Mapping[str, float]], sides: tuple[str, str]
) -> list[tuple[str, Markup]]:
    """(title, figure) of every training curve that either side has, both sides overlaid."""
    figures = []
    for title, metric in PANELS:
        curves = [_curve(history, metric) for history in (first, second)]
        if any(len(steps) for steps, _ in curves):
            figures.append((title, _curve_figure(title, metric, curves, sides)))
    return figures


def _curve_figure(
    title: str, metric: str, curves: Sequence[tuple[list[int], list[float]]], sides: tuple[str, str]
) -> Markup:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for (steps, values), name, colour, dash in zip(
            curves, sides, (FIRST, SECOND), ("-", (0, (5, 1.6))), strict=True
        ):
            if steps:
                axes.plot(steps, values, color=colour, linestyle=dash, linewidth=1.6, label=name)
        axes.grid(axis="y")
        axes.set_xlabel("generator step")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        figure.legend(loc="outside upper left", ncols=2)

    ends = "; ".join(
        f"{name} ends at {values[-1]:.4g} after {steps[-1]:,} steps"
        for name, (steps, values) in zip(sides, curves, strict=True)
        if steps
    )
    return _svg(f"curve-{metric}", f"{title}: {ends}", 2.3, draw)


def _curve(history: Mapping[int, Mapping[str, float]], metric: str) -> tuple[list[int], list[float]]:
    steps = sorted(step for step, values in history.items() if metric in values)
    stride = max(1, -(-len(steps) // MOST_POINTS))
    kept = steps[::-stride][::-1]  # always includes the last
    return kept, [history[step][metric] for step in kept]


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _space_labels(figure: Figure, axes: Axes) -> None:
    """Use as many ticks as their labels have room for along the axis, even in a wider font."""
    logarithmic = axes.get_xscale() == "log"
    for count in range(MOST_TICKS, 0, -1):
        axes.xaxis.set_major_locator(LogLocator(numticks=count + 1) if logarithmic else MaxNLocator(count))
        figure.draw_without_rendering()
        left, right = axes.bbox.intervalx
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        boxes = [box for box in boxes if left <= (box.x0 + box.x1) / 2 <= right]
        centres = [(box.x0 + box.x1) / 2 for box in boxes]
        room = [(one.width + other.width) / 2 * WIDER for one, other in pairwise(boxes)]
        if all(after - before > needed for (before, after), needed in zip(pairwise(centres), room, strict=True)):
            return


def _svg(name: str, words: str, height: float, draw: Callable[[Figure], None]) -> Markup:
    """Draw a figure `height` inches high; returns the SVG element, labelled for screen readers with `words`."""
    style: Any = STYLE | {"svg.hashsalt": name}  # no random ids: equal figures give equal text
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        draw(figure)
        for axes in figure.axes:
            axes.patch.set_visible(False)
            _space_labels(figure, axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for drawn, wanted in PAGE_COLOURS.items():
        text = text.replace(drawn, wanted)
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{escape(words)}"', 1))
