"""An evaluation in words: a markdown table of both sides and the gate's rules, for Prefect, MLflow and model cards."""

from __future__ import annotations

from wgan.evaluation.intervals import paired_interval
from wgan.records import GateDecision, Interval, Measurement, Protocol

METRIC_TITLES = {
    "fid": "Fréchet distance ↓",
    "precision": "Precision ↑",
    "recall": "Recall ↑",
    "density": "Density ↑",
    "coverage": "Coverage ↑",
    "modes": "Modes captured ↑",
    "reverse_kl": "Reverse KL ↓",
}


def evaluation_markdown(
    challenger: Measurement, champion: Measurement | None, decision: GateDecision | None = None
) -> str:
    """Table metric | challenger | champion | paired difference, the protocol, then the decision's rules with ✓ or ✗.

    The difference is left out where the protocols differ: such numbers are never compared.
    """
    comparable = champion is not None and champion.protocol == challenger.protocol
    lines = ["| Metric | Challenger |" + (" Champion | Challenger − champion |" if champion else "")]
    lines.append("|---|---|" + ("---|---|" if champion else ""))
    for name, interval in challenger.metrics.items():
        row = f"| {METRIC_TITLES.get(name, name)} | {_bounds(interval)} |"
        if champion:
            theirs = champion.metrics.get(name)
            difference = "not comparable"
            if comparable and theirs:
                difference = _bounds(paired_interval(interval, theirs, challenger.protocol.confidence), sign="+")
            row += f" {_bounds(theirs) if theirs else 'not measured'} | {difference} |"
        lines.append(row)
    lines += ["", _protocol_sentence(challenger.protocol)]
    if decision:
        mark = {True: "✓", False: "✗"}
        verdict = "promote" if decision.promote else "do not promote"
        lines += ["", f"**Gate: {verdict}.**", ""]
        lines += [f"- {mark[rule.passed]} {rule.reason}" for rule in decision.rules]
    return "\n".join(lines)


def _protocol_sentence(protocol: Protocol) -> str:
    accuracy = "" if protocol.extractor_accuracy is None else f" (held-out accuracy {protocol.extractor_accuracy:.1%})"
    return (
        f"Mean [{protocol.confidence:.0%} interval] over {len(protocol.seeds)} seeds of {protocol.sample_count:,} "
        f"generated against as many real images; features: {protocol.extractor}{accuracy}, digest "
        f"`{protocol.extractor_digest[:12]}`; k = {protocol.neighbours}. The Fréchet distance is in percent of the "
        "real images' variance in these features (0 perfect, 100 only their average) and cannot be compared with "
        "distances in Inception features."
    )


def _bounds(interval: Interval, sign: str = "") -> str:
    return f"{interval.mean:{sign}.4g} [{interval.low:{sign}.4g}, {interval.high:{sign}.4g}]"
