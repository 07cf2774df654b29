"""The training curves as a figure: the estimate with its running median, the losses, the clipped share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Wasserstein estimate", ("wasserstein_estimate", "wasserstein_median")),
    ("Fréchet distance of the checkpoints", ("checkpoint/fid",)),
    ("Losses", ("critic_loss", "generator_loss")),
    ("Share of critic parameters at the clip bound", ("clip_share",)),
    ("Gradient norms", ("critic_gradient_norm", "generator_gradient_norm")),
)


def draw_curves(history: Mapping[int, Mapping[str, float]], title: str, path: Path) -> None:
    """Write a PNG. `history` is generator step → metric name → value; panels without values are omitted."""
    steps = sorted(history)
    present = {name for values in history.values() for name in values}
    panels = [(label, [name for name in names if name in present]) for label, names in PANELS]
    panels = [(label, names) for label, names in panels if names]
    figure = Figure(figsize=(9, 2.4 * max(len(panels), 1)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    axes = figure.subplots(max(len(panels), 1), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (label, names) in zip(axes, panels, strict=False):
        _panel(axis, label, names, steps, history)
    axes[-1].set_xlabel("generator step")
    figure.savefig(path, dpi=120)


def _panel(
    axis: Axes, label: str, names: Sequence[str], steps: Sequence[int], history: Mapping[int, Mapping[str, float]]
) -> None:
    for name in names:
        there = [step for step in steps if name in history[step]]
        raw = name == "wasserstein_estimate"
        axis.plot(
            there,
            [history[step][name] for step in there],
            label=name.replace("_", " "),
            linewidth=0.8 if raw else 1.6,
            alpha=0.45 if raw else 1.0,
        )
    axis.set_title(label, fontsize=10, loc="left")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8, frameon=False)
