"""A warning if training made no measurable difference: the untrained network does as well in a judged metric."""

from __future__ import annotations

from wgan.intervals import paired_interval
from wgan.records import EvaluationRef

LOWER_IS_BETTER = {"fid": True, "recall": False, "coverage": False, "modes": False}
"""The metrics that the gate judges."""
TITLES = {"fid": "Fréchet distance", "recall": "recall", "coverage": "coverage", "modes": "modes"}


def untrained_warning(evaluation: EvaluationRef) -> str | None:
    """One sentence when, in any judged metric, the trained network is not shown to be better than the untrained one.

    Both were compared with the same real images on the same seeds, so their difference is paired: its whole interval
    must lie on the better side. None if all do, or if no untrained network was measured under the same protocol.
    """
    if evaluation.bounds is None or evaluation.bounds.untrained.protocol != evaluation.challenger.protocol:
        return None
    trained, untrained = evaluation.challenger, evaluation.bounds.untrained
    as_good = []
    for name, lower in LOWER_IS_BETTER.items():
        if name not in trained.metrics or name not in untrained.metrics:
            continue
        mine, theirs = trained.metrics[name], untrained.metrics[name]
        difference = paired_interval(mine, theirs, trained.protocol.confidence)
        better = difference.high < 0 if lower else difference.low > 0
        if not better:
            as_good.append(f"{TITLES[name]} {theirs.mean:.3g} untrained, {mine.mean:.3g} trained")
    if not as_good:
        return None
    return (
        f"The untrained network is as good as the trained one, as far as the seeds tell: {'; '.join(as_good)}. "
        "Train longer or with other parameters before this is served."
    )
