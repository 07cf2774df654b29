"""A trained generator beside the same network before training, and a warning if training made no difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wgan.intervals import paired_interval
from wgan.records import EvaluationRef, Interval, Measurement

LOWER_IS_BETTER = {"fid": True, "recall": False, "coverage": False, "modes": False}
"""The metrics that the gate judges."""
TITLES = {"fid": "Fréchet distance", "recall": "recall", "coverage": "coverage", "modes": "modes"}


@dataclass(frozen=True)
class Lead:
    """One judged metric of a trained generator beside the untrained one's."""

    metric: str
    trained: Interval
    untrained: Interval
    difference: Interval
    """Trained − untrained, paired by seed: both are compared with the same real images."""
    better: bool
    """The whole interval lies on the better side, or the trained network leaves nothing to improve."""


def leads(trained: Measurement, untrained: Measurement, classes: int) -> tuple[Lead, ...]:
    """The judged metrics that both sides have, in the gate's order.

    A generator that captures all `classes` (0: no labels) on every seed, or has recall or coverage 1, cannot be better,
    whatever the untrained one does. Raises `ValueError` if the sides have different numbers of seeds.
    """
    greatest = {"recall": 1.0, "coverage": 1.0, "modes": float(classes) if classes else math.inf}
    found = []
    for name, lower in LOWER_IS_BETTER.items():
        if name not in trained.metrics or name not in untrained.metrics:
            continue
        mine, theirs = trained.metrics[name], untrained.metrics[name]
        difference = paired_interval(mine, theirs, trained.protocol.confidence)
        better = difference.high < 0 if lower else difference.low > 0
        complete = min(mine.values) >= greatest.get(name, math.inf)
        found.append(Lead(name, mine, theirs, difference, better or complete))
    return tuple(found)


def untrained_warning(evaluation: EvaluationRef) -> str | None:
    """One sentence when, in any judged metric, the trained network is not shown to be better than the untrained one.

    None if it is in all, or if no untrained network was measured under the same protocol.
    """
    if evaluation.bounds is None or evaluation.bounds.untrained.protocol != evaluation.challenger.protocol:
        return None
    classes = len(evaluation.training.dataset.classes)
    as_good = [
        f"{TITLES[lead.metric]} {lead.untrained.mean:.3g} untrained, {lead.trained.mean:.3g} trained"
        for lead in leads(evaluation.challenger, evaluation.bounds.untrained, classes)
        if not lead.better
    ]
    if not as_good:
        return None
    return (
        f"The untrained network is as good as the trained one, as far as the seeds tell: {'; '.join(as_good)}. "
        "Train longer or with other parameters before this is served."
    )
