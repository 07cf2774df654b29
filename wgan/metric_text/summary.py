"""An evaluation in words: a markdown table of both sides and the gate's rules, for Prefect, MLflow and model cards."""

from __future__ import annotations

from collections.abc import Mapping

from wgan.metric_text.table import interval_text, metric_rows
from wgan.metric_text.untrained import untrained_warning
from wgan.records import (
    Bounds,
    EvaluationProtocol,
    EvaluationRef,
    GateDecision,
    Interval,
    Measurement,
    PublishedNumbers,
)


def judgement_markdown(evaluation: EvaluationRef, decision: GateDecision | None = None) -> str:
    """A warning if needed, the data the sides were judged on, then `evaluation_markdown` with the bounds."""
    table = evaluation_markdown(evaluation.challenger, evaluation.champion, decision, evaluation.bounds)
    warning = untrained_warning(evaluation)
    return "\n\n".join([*([f"**Warning.** {warning}"] if warning else []), data_sentence(evaluation), table])


def evaluation_markdown(
    challenger: Measurement,
    champion: Measurement | None,
    decision: GateDecision | None = None,
    bounds: Bounds | None = None,
) -> str:
    """Table of metrics and sides, the protocol, then the decision's rules with ✓ or ✗.

    Columns: metric and challenger; champion and paired difference if there is a champion; real images and untrained if
    there are bounds. The difference is omitted if the protocols differ: such numbers are never compared.
    """
    columns = ["Metric", "Challenger"]
    columns += ["Champion", "Challenger − champion"] if champion else []
    columns += ["Real images", "Untrained"] if bounds else []
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for row in metric_rows(challenger, champion, decision, bounds):
        cells = [row.title, interval_text(row.challenger)]
        if champion:
            cells.append(_cell(row.champion, "not measured"))
            cells.append(interval_text(row.difference, sign="+") if row.difference else "not comparable")
        if bounds:
            cells += [_cell(row.real_images, "–"), _cell(row.untrained, "–")]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", protocol_sentence(challenger.protocol)]
    if bounds:
        lines += ["", bounds_sentence(bounds)]
    if decision:
        mark = {True: "✓", False: "✗"}
        verdict = "promote" if decision.promote else "do not promote"
        lines += ["", f"**Gate: {verdict}.**", ""]
        lines += [f"- {mark[rule.passed]} {rule.reason}" for rule in decision.rules]
        lines += [line for remark in decision.remarks for line in ("", remark)]
    return "\n".join(lines)


def data_sentence(evaluation: EvaluationRef) -> str:
    """The data both sides were judged on, and the data of the champion's earlier judgement."""
    judged, own = evaluation.challenger.protocol.data_digest, evaluation.training.dataset.digest
    text = f"Judged on the data set with digest {judged[:12]}"
    if judged == own:
        text += ", which the challenger was trained on."
    else:
        text += f", the model's newest data; the challenger was trained on {own[:12]}."
    if evaluation.champion is None:
        return text
    champion, before = f"champion, version {evaluation.champion_version},", evaluation.champion_judged_on
    if before is None:
        return f"{text} The {champion} had not been judged before."
    if before == judged:
        return f"{text} The {champion} had been judged on the same data and was measured again beside the challenger."
    return (
        f"{text} The {champion} had been judged on {before[:12]} before; since the data has changed, it was judged "
        "again on this data."
    )


def protocol_sentence(protocol: EvaluationProtocol) -> str:
    """How it was measured: images, seeds, features, and the unit of the Fréchet distance."""
    accuracy = "" if protocol.extractor_accuracy is None else f" (held-out accuracy {protocol.extractor_accuracy:.1%})"
    return (
        f"Mean [{protocol.confidence:.0%} interval] over {len(protocol.seeds)} seeds of {protocol.sample_count:,} "
        f"generated against as many real images; features: {protocol.extractor}{accuracy}, digest "
        f"`{protocol.extractor_digest[:12]}`; k = {protocol.neighbours}. {_unit_sentence(protocol)}"
    )


def _unit_sentence(protocol: EvaluationProtocol) -> str:
    if protocol.extractor == "inception":
        return "The Fréchet and kernel distances are FID and KID in Inception features, unscaled, as papers print them."
    return (
        "The Fréchet distance is in percent of the real images' variance in these features (0 perfect, 100 only their "
        "average) and cannot be compared with distances in Inception features."
    )


def bounds_sentence(bounds: Bounds) -> str:
    """What the bounds were measured on."""
    real = bounds.no_real_images_reason or "images held out of training, the best any generator can reach."
    return f"Real images: {real} Untrained: the same networks before training."


def published_sentence(numbers: PublishedNumbers) -> str:
    """FID and Inception score as papers print them."""
    return (
        f"As papers print them: FID {numbers.fid:.2f} ({numbers.generated_images:,} generated images against all "
        f"{numbers.training_images:,} training images), Inception score {numbers.inception_score:.2f} ± "
        f"{numbers.inception_score_deviation:.2f} ({numbers.splits} parts of the same images)."
    )


def grids_markdown(pictures: Mapping[str, str]) -> str:
    """Side → address of its sample grid, as pictures under headings."""
    return "\n\n".join(
        f"### Samples of the {side}\n\n![Samples of the {side}, drawn from the same noise on both sides]({url})"
        for side, url in pictures.items()
    )


def _cell(interval: Interval | None, otherwise: str) -> str:
    return interval_text(interval) if interval else otherwise
