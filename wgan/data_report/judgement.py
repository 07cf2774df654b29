"""Applies the rules of a configuration to a report."""

from __future__ import annotations

from collections.abc import Iterator

from wgan.data_report.record import Broken, DataReport
from wgan.data_rules import DataRules, Limits


def judge(report: DataReport, rules: DataRules) -> DataReport:
    """The report with the limits that it exceeds; a finding that is refused is not also warned of."""
    refused = tuple(_exceeded(report, rules.refuse, "refuse"))
    names = {rule.rule.rpartition(".")[2] for rule in refused}
    warned = (rule for rule in _exceeded(report, rules.warn, "warn") if rule.rule.rpartition(".")[2] not in names)
    return report.model_copy(update={"broken": (*refused, *warned)})


def _exceeded(report: DataReport, limits: Limits, action: str) -> Iterator[Broken]:
    refuses = action == "refuse"
    for finding in report.findings:
        limit = getattr(limits, finding.name)
        if limit is not None and finding.share > limit:
            rule = f"data.rules.{action}.{finding.name}"
            counted = f"{finding.count:,} of {finding.among:,} images ({finding.share:.1%})"
            yield Broken(
                rule=rule,
                refuses=refuses,
                reason=f"{finding.title}: {counted}, more than {rule}={limit:g} allows.",
            )
    if report.drift and limits.drift is not None and report.drift.times > limits.drift:
        rule = f"data.rules.{action}.drift"
        yield Broken(
            rule=rule,
            refuses=refuses,
            reason=f"Drift: the Fréchet distance from the data {report.drift.digest[:12]} is {report.drift.times:.2g} "
            f"times that between two halves of it, more than {rule}={limits.drift:g} allows.",
        )
    samples = report.drift.samples if report.drift else None
    if samples and limits.champion is not None and samples.times > limits.champion:
        rule = f"data.rules.{action}.champion"
        yield Broken(
            rule=rule,
            refuses=refuses,
            reason=f"Champion: the Fréchet distance of its samples from this data is {samples.times:.2g} times that "
            f"from the data it was trained on, more than {rule}={limits.champion:g} allows.",
        )
    least = limits.class_images
    few = [f"{entry.name} {entry.training:,}" for entry in report.classes if least and entry.training < least]
    if few:
        rule = f"data.rules.{action}.class_images"
        yield Broken(
            rule=rule,
            refuses=refuses,
            reason=f"Classes with too few training images: {', '.join(few[:5])}{', …' if len(few) > 5 else ''}; "
            f"{rule}={least} asks for more.",
        )
