"""The gate's rules for a first model, which has no champion to beat.

1. Floors: the whole interval of a metric, not only its mean, meets each absolute limit that the configuration sets. In
   features of pixels at least one must be set: there, a checkerboard can be close to photographs.
2. `untrained`: in every judged metric the generator is better than the same network before training. The paired
   interval of the difference lies wholly on the better side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from wgan.config_promotion import PromotionConfig
from wgan.evaluation.rule_text import TITLES, confidence_text
from wgan.metric_text.untrained import leads
from wgan.records import Bounds, GateRule, Interval, Measurement

PIXELS = "pixels"
"""The extractor whose features are the pixels."""


def first_model_rules(
    challenger: Measurement, bounds: Bounds | None, classes: int, config: PromotionConfig
) -> Iterator[GateRule]:
    """Both rules; `classes` is the number of classes in the data, 0 without labels."""
    yield from _floors(challenger, bounds, config)
    if config.beat_untrained:
        yield _better_than_untrained(challenger, bounds, classes)


def _floors(challenger: Measurement, bounds: Bounds | None, config: PromotionConfig) -> Iterator[GateRule]:
    floors = {"recall": config.min_recall, "coverage": config.min_coverage, "modes": config.min_modes}
    limits = [("fid", config.max_fid)] if config.max_fid is not None else []
    limits += [(name, floor) for name, floor in floors.items() if floor > 0]
    measured = [(name, limit) for name, limit in limits if name in challenger.metrics]
    for name, limit in measured:
        yield _floor(name, challenger.metrics[name], limit, challenger.protocol.confidence)
    if not measured:
        yield _no_floor(challenger, bounds)


def _floor(name: str, interval: Interval, limit: float, confidence: float) -> GateRule:
    if name == "fid":
        passed, requirement = interval.high <= limit, f"upper bound at most {limit:.3g}"
    else:
        passed, requirement = interval.low >= limit, f"lower bound at least {limit:.3g}"
    bounds = confidence_text(interval.low, interval.high, confidence)
    return GateRule(
        name=name,
        passed=passed and math.isfinite(interval.mean),
        reason=f"{TITLES[name]} {interval.mean:.3g} ({bounds}); for a first model: {requirement}.",
        requirement=requirement,
    )


def _no_floor(challenger: Measurement, bounds: Bounds | None) -> GateRule:
    if challenger.protocol.extractor != PIXELS:
        reason = "There is no champion to beat, and the configuration sets no floor for a first model."
        return GateRule(name="floors", passed=True, reason=reason)
    known = "".join(
        f", {side} {measurement.metrics['fid'].mean:.3g} and {measurement.metrics['recall'].mean:.3g}"
        for side, measurement in (
            ("real images have", bounds.real_images if bounds else None),
            ("the untrained network", bounds.untrained if bounds else None),
        )
        if measurement is not None
    )
    mine = f"{challenger.metrics['fid'].mean:.3g} and {challenger.metrics['recall'].mean:.3g}"
    return GateRule(
        name="floors",
        passed=False,
        reason="Distances between pixels alone cannot show that a first model is good, and the configuration sets no "
        "floor. Look at the samples and set promotion.max_fid and promotion.min_recall (this model has "
        f"{mine}{known}), or measure with evaluation.extractor=imagenet-lite.",
    )


def _better_than_untrained(challenger: Measurement, bounds: Bounds | None, classes: int) -> GateRule:
    if bounds is None or bounds.untrained.protocol != challenger.protocol:
        reason = "Its untrained network was not measured under the same protocol; a first model must be better than it."
        return GateRule(name="untrained", passed=False, reason=reason)
    found = leads(challenger, bounds.untrained, classes)
    told = [lead for lead in found if not lead.better] or list(found)
    numbers = "; ".join(
        f"{TITLES[lead.metric]} {lead.trained.mean:.3g} against {lead.untrained.mean:.3g} "
        f"(difference {lead.difference.mean:+.3g}, {100 * challenger.protocol.confidence:.3g} % CI "
        f"{lead.difference.low:+.3g} to {lead.difference.high:+.3g})"
        for lead in told
    )
    passed = all(lead.better for lead in found)
    verdict = "Better than" if passed else "Not shown to be better than"
    remedy = "" if passed else "; a first model must be. Train it longer or with other parameters"
    return GateRule(
        name="untrained", passed=passed, reason=f"{verdict} the same network before training: {numbers}{remedy}."
    )
