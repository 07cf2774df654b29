"""The promotion gate: may the challenger replace the champion? A pure function of numbers, without torch.

With a champion, all of these must hold; each is a `GateRule`:

1. `protocol`: both sides were measured under the same protocol. If not, no other rule is checked.
2. `fid`: improved. The paired confidence interval of challenger − champion lies wholly below −`fid_margin`.
3. `recall`, `coverage`, `modes` (with labels): not worse, as a test of non-inferiority. The lower bound of the
   paired interval of challenger − champion lies at or above −margin: the burden of proof is on the challenger. A metric
   too noisy for its margin therefore refuses, and the remedy is more images or seeds. If "no significant drop" were
   enough, measuring less would make promotion easier.

A two-sided interval at confidence c makes rules 2 and 3 one-sided tests at (1 − c) / 2: with two equal generators, at
most 2.5 % of challengers are promoted at the default 95 %, which the tests confirm by simulation.

Without a champion the rules of a first model apply: `wgan.evaluation.first_model`.
"""

from __future__ import annotations

from collections.abc import Iterator

from wgan.config_promotion import PromotionConfig
from wgan.evaluation.first_model import first_model_rules
from wgan.evaluation.rule_text import TITLES, confidence_text
from wgan.intervals import paired_interval
from wgan.records import Bounds, EvaluationProtocol, GateDecision, GateRule, Interval, Measurement


def decide(
    challenger: Measurement,
    champion: Measurement | None,
    config: PromotionConfig,
    bounds: Bounds | None = None,
    classes: int = 0,
) -> GateDecision:
    """Apply every rule (see the module) and promote only if all pass. Only a refusal by rule 1 skips the rest.

    A first model is judged against `bounds`; `classes` is the number of classes in the data, 0 without labels.
    """
    if champion is None:
        rules = tuple(first_model_rules(challenger, bounds, classes, config))
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
        reason = f"The sides were measured with different {', '.join(names)}, so they cannot be compared."
    else:
        reason = (
            f"Both sides were measured with {challenger.sample_count} images on each of "
            f"{len(challenger.seeds)} seeds through {challenger.extractor}."
        )
    return GateRule(name="protocol", passed=not names, reason=reason)


def _comparisons(challenger: Measurement, champion: Measurement, config: PromotionConfig) -> Iterator[GateRule]:
    for name, margin in margins(config).items():
        if name != "modes" or "modes" in challenger.metrics or "modes" in champion.metrics:
            yield _comparison(name, challenger, champion, margin)


def margins(config: PromotionConfig) -> dict[str, float]:
    """Metric → margin, each at least 0. The interval of challenger − champion passes below −margin for `fid`, and from
    −margin upwards for the others."""
    return {
        "fid": config.fid_margin,
        "recall": config.recall_margin,
        "coverage": config.coverage_margin,
        "modes": config.modes_margin,
    }


def _comparison(name: str, challenger: Measurement, champion: Measurement, margin: float) -> GateRule:
    title, lower_is_better = TITLES[name], name == "fid"
    if lower_is_better:
        requirement = f"must improve by more than {margin:.3g}" if margin else "must improve"
    else:
        requirement = f"may fall by at most {margin:.3g}" if margin else "may not fall"
    if name not in challenger.metrics or name not in champion.metrics:
        reason = f"{title} was not measured on both sides; it {requirement}."
        return GateRule(name=name, passed=False, reason=reason, requirement=requirement)
    mine, theirs = challenger.metrics[name], champion.metrics[name]
    confidence = challenger.protocol.confidence
    difference = paired_interval(mine, theirs, confidence)
    if lower_is_better:
        passed, undecided = difference.high < -margin, difference.low < -margin
        change = _change(difference, "worse", "better", confidence)
    else:
        passed, undecided = difference.low >= -margin, difference.high >= -margin
        change = _change(difference, "up", "down", confidence)
    reason = f"{title} {mine.mean:.3g} against {theirs.mean:.3g}: {change}; it {requirement}"
    if undecided and not passed:
        reason += ", and the interval is too wide to tell: more images or seeds narrow it"
    return GateRule(name=name, passed=passed, reason=f"{reason}.", requirement=requirement)


def _change(difference: Interval, more: str, less: str, confidence: float) -> str:
    """`worse by 8.8 (95 % CI 7.5 to 10.2)`; the interval has the sign of the word."""
    mean, low, high, word = difference.mean, difference.low, difference.high, more
    if mean < 0:
        mean, low, high, word = -mean, -high, -low, less
    return f"{word} by {mean:.3g} ({confidence_text(low, high, confidence)})"
