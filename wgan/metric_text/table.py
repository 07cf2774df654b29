"""Every metric of an evaluation as one row: both sides, their difference, the bounds, rule and verdict.

The single source of every table for people: Prefect's artifacts, MLflow's table, the model card, the terminal and the
comparison report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wgan.intervals import paired_interval
from wgan.records import Bounds, GateDecision, GateRule, Interval, Measurement

METRIC_TITLES = {
    "fid": "Fréchet distance ↓",
    "kernel_distance": "Kernel distance ↓",
    "precision": "Precision ↑",
    "recall": "Recall ↑",
    "density": "Density ↑",
    "coverage": "Coverage ↑",
    "sliced_wasserstein": "Sliced Wasserstein distance ↓",
    "modes": "Modes captured ↑",
    "reverse_kl": "Reverse KL ↓",
    "memorisation": "Memorisation (1 copies, 0.5 as real images)",
}
NOT_JUDGED = "shown, not judged"

Verdict = Literal["passed", "failed", "not judged"]


@dataclass(frozen=True)
class MetricRow:
    """One metric. `difference` is challenger − champion, paired; None if the sides cannot be compared."""

    name: str
    title: str
    challenger: Interval
    champion: Interval | None
    difference: Interval | None
    real_images: Interval | None
    untrained: Interval | None
    rule: GateRule | None

    @property
    def requirement(self) -> str:
        """The gate's requirement for this metric."""
        return self.rule.requirement if self.rule else NOT_JUDGED

    @property
    def verdict(self) -> Verdict:
        """The gate's verdict on it."""
        if self.rule is None:
            return "not judged"
        return "passed" if self.rule.passed else "failed"


def metric_rows(
    challenger: Measurement,
    champion: Measurement | None,
    decision: GateDecision | None = None,
    bounds: Bounds | None = None,
) -> tuple[MetricRow, ...]:
    """One row per metric of the challenger, in the order they were measured.

    Numbers of another protocol are never shown beside the challenger's: neither a difference from such a champion nor
    such bounds.
    """
    comparable = champion is not None and champion.protocol == challenger.protocol
    rules = {rule.name: rule for rule in decision.rules} if decision else {}
    sides = {
        "champion": champion,
        "real_images": _same_protocol(bounds.real_images, challenger) if bounds else None,
        "untrained": _same_protocol(bounds.untrained, challenger) if bounds else None,
    }
    rows = []
    for name, mine in challenger.metrics.items():
        others = {side: measured.metrics.get(name) if measured else None for side, measured in sides.items()}
        theirs = others["champion"]
        difference = paired_interval(mine, theirs, challenger.protocol.confidence) if comparable and theirs else None
        rows.append(
            MetricRow(
                name=name,
                title=METRIC_TITLES.get(name, name.replace("_", " ").capitalize()),
                challenger=mine,
                difference=difference,
                rule=rules.get(name),
                **others,
            )
        )
    return tuple(rows)


def text_table(rows: tuple[MetricRow, ...]) -> list[dict[str, str]]:
    """The rows for Prefect's table artifact: one mapping of column to text each.

    Empty columns are omitted.
    """
    table = [
        {
            "metric": row.title,
            "challenger": interval_text(row.challenger),
            "champion": interval_text(row.champion) if row.champion else "",
            "challenger − champion": interval_text(row.difference, sign="+") if row.difference else "",
            "real images": interval_text(row.real_images) if row.real_images else "",
            "untrained": interval_text(row.untrained) if row.untrained else "",
            "rule": row.requirement,
            "verdict": row.verdict,
        }
        for row in rows
    ]
    filled = [column for column in (table[0] if table else ()) if any(line[column] for line in table)]
    return [{column: line[column] for column in filled} for line in table]


def number_columns(rows: tuple[MetricRow, ...]) -> dict[str, list[str | float]]:
    """The rows as columns of numbers for MLflow's table: one line per metric and side."""
    lines = [
        (row.name, side, interval.mean, interval.low, interval.high, ", ".join(f"{v:.6g}" for v in interval.values))
        for row in rows
        for side, interval in {
            "challenger": row.challenger,
            "champion": row.champion,
            "challenger − champion": row.difference,
            "real images": row.real_images,
            "untrained": row.untrained,
        }.items()
        if interval is not None
    ]
    names = ("metric", "side", "mean", "low", "high", "values")
    return {name: [line[position] for line in lines] for position, name in enumerate(names)}


def interval_text(interval: Interval, sign: Literal["", "+"] = "") -> str:
    """`mean [low, high]`, four significant digits."""
    return f"{interval.mean:{sign}.4g} [{interval.low:{sign}.4g}, {interval.high:{sign}.4g}]"


def _same_protocol(measured: Measurement | None, challenger: Measurement) -> Measurement | None:
    return measured if measured and measured.protocol == challenger.protocol else None
