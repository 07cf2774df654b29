"""The promotion gate: may the challenger replace the champion? A pure function of numbers, without torch.

With a champion, all of these must hold; each is a `GateRule`:

1. `protocol`: both sides were measured under the same protocol. If not, nothing else is looked at.
2. `fid`: better. The paired confidence interval of challenger − champion lies wholly below −`fid_margin`.
3. `recall`, `coverage`, `modes` (with labels): not fallen, as a test of non-inferiority. The lower bound of the
   paired interval of challenger − champion lies at or above −margin: the burden of proof is on the challenger. A
   metric too noisy for its margin therefore refuses, and the remedy is more images or seeds, not a blind eye; taking
   "no significant fall" as enough would promote the more readily the less was measured.

A two-sided interval at confidence c makes rules 2 and 3 one-sided tests at (1 − c) / 2: of two equal generators at most
2.5 % are promoted at the default 95 %, which the tests show by simulation.

Without a champion (first model) there is nothing to compare with; each absolute floor that the configuration sets must
be met by the whole interval, not only by its mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from wgan.config import PromotionConfig
from wgan.intervals import paired_interval
from wgan.records import EvaluationProtocol, GateDecision, GateRule, Interval, Measurement


def decide(challenger: Measurement, champion: Measurement | None, config: PromotionConfig) -> GateDecision:
    """Apply every rule (module docstring) and promote only if all pass; no rule is skipped after a refusal but by 1."""
    if champion is None:
        rules = tuple(_floors(challenger, config))
    else:
        rules = (_same_protocol(challenger.protocol, champion.protocol),)
        if rules[0].passed:
            rules += tuple(_comparisons(challenger, champion, config))
    return GateDecision(
        promote=all(rule.passed for rule in rules),
        first_model=champion is None,
        rules=rules,
        challenger=challenger,
        champion=champion,
    )


def _same_protocol(challenger: EvaluationProtocol, champion: EvaluationProtocol) -> GateRule:
    names = [name for name in EvaluationProtocol.model_fields if getattr(challenger, name) != getattr(champion, name)]
    if names:
        reason = f"protocol: the sides were measured with different {', '.join(names)}, so they cannot be compared."
    else:
        reason = (
            f"protocol: both sides were measured with {challenger.sample_count} images on each of "
            f"{len(challenger.seeds)} seeds through {challenger.extractor}."
        )
    return GateRule(name="protocol", passed=not names, reason=reason)


def _comparisons(challenger: Measurement, champion: Measurement, config: PromotionConfig) -> Iterator[GateRule]:
    margins = {"recall": config.recall_margin, "coverage": config.coverage_margin, "modes": config.modes_margin}
    yield _comparison("fid", challenger, champion, config.fid_margin)
    for name, margin in margins.items():
        if name != "modes" or "modes" in challenger.metrics or "modes" in champion.metrics:
            yield _comparison(name, challenger, champion, margin)


def _comparison(name: str, challenger: Measurement, champion: Measurement, margin: float) -> GateRule:
    better = name == "fid"
    rule = f"must lie wholly below {-margin or 0:.4g}" if better else f"may not reach below {-margin or 0:.4g}"
    if name not in challenger.metrics or name not in champion.metrics:
        reason = f"{name}: was not measured on both sides."
        return GateRule(name=name, passed=False, reason=reason, requirement=f"difference {rule}")
    mine, theirs = challenger.metrics[name], champion.metrics[name]
    confidence = challenger.protocol.confidence
    difference = paired_interval(mine, theirs, confidence)
    if better:
        passed = difference.high < -margin
        verdict = "it is better" if passed else "it is not shown to be better"
    else:
        passed = difference.low >= -margin
        verdict = "it has not fallen" if passed else "it has fallen, or is too noisy to tell"
        if not passed and difference.high < 0:
            verdict = "it has fallen"
    reason = (
        f"{name}: challenger {mine.mean:.4g} against champion {theirs.mean:.4g}, paired difference "
        f"{_bounds(difference)} at {confidence:.0%} {rule}: {verdict}."
    )
    return GateRule(name=name, passed=passed, reason=reason, requirement=f"difference {rule}")


def _floors(challenger: Measurement, config: PromotionConfig) -> Iterator[GateRule]:
    floors = {"recall": config.min_recall, "coverage": config.min_coverage, "modes": config.min_modes}
    limits = [("fid", config.max_fid)] if config.max_fid is not None else []
    limits += [(name, floor) for name, floor in floors.items() if floor > 0]
    measured = [(name, limit) for name, limit in limits if name in challenger.metrics]
    for name, limit in measured:
        yield _floor(name, challenger.metrics[name], limit)
    if not measured:
        reason = "floors: there is no champion to beat, and the configuration sets no floor for a first model."
        yield GateRule(name="floors", passed=True, reason=reason)


def _floor(name: str, interval: Interval, limit: float) -> GateRule:
    if name == "fid":
        passed, side = interval.high <= limit, "at most"
    else:
        passed, side = interval.low >= limit, "at least"
    verdict = "it is" if passed else "it is not"
    reason = f"{name}: first model {_bounds(interval)} must be wholly {side} {limit:.4g}: {verdict}."
    return GateRule(
        name=name,
        passed=passed and math.isfinite(interval.mean),
        reason=reason,
        requirement=f"must be wholly {side} {limit:.4g}",
    )


def _bounds(interval: Interval) -> str:
    return f"{interval.mean:.4g} [{interval.low:.4g}, {interval.high:.4g}]"
