"""A retraining's report: one markdown text for Prefect and MLflow."""

from __future__ import annotations

from wgan.metric_text.summary import judgement_markdown
from wgan.records import RetrainOutcome


def retrain_markdown(outcome: RetrainOutcome, samples_url: str) -> str:
    """A picture of samples, headline, lineage table, then the evaluation with the gate's rules."""
    version, promotion = outcome.version, outcome.promotion
    evaluation = version.evaluation
    training, dataset = evaluation.training, evaluation.training.dataset
    action = promotion.action if promotion else "registered, promotion not asked for"
    estimate = training.wasserstein_estimate
    rows = {
        "Data": f"{dataset.name}, {dataset.count:,} images and {dataset.held_out_count:,} held out, "
        f"{dataset.image_size}×{dataset.image_size}, digest `{dataset.digest[:12]}`, {dataset.bad_count} left out",
        "Training": f"{training.trained_steps:,} generator steps in {training.seconds:,.0f} s, "
        f"{training.images_per_second:,.0f} images/s, {training.device}, {training.precision}",
        **({"Started from": f"`{training.started_from}`"} if training.started_from else {}),
        "Wasserstein estimate": "not defined for this objective" if estimate is None else f"{estimate:.4f}",
        "Checkpoint": f"`{training.checkpoint_uri}`, SHA-256 `{training.checkpoint_sha256[:12]}`"
        f"{f'. {training.choice.reason}' if training.choice else ''}",
        "Export": f"largest pixel difference {version.export_check.max_abs_difference:.1e}, "
        f"ONNX SHA-256 `{version.onnx_sha256[:12]}`",
        "MLflow run": f"`{training.mlflow_run_id}`",
        "Flow run": f"`{training.flow_run_id}`",
    }
    rows |= {f"Serving at {check.url}": f"{check.outcome}: {check.reason}" for check in outcome.serving}
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    decision = promotion.decision if promotion else None
    return (
        f"![Samples of version {version.version}]({samples_url})\n\n"
        f"# {version.model_name} version {version.version}: {action}\n\n"
        f"{promotion.reason if promotion else ''}\n\n"
        f"| | |\n|---|---|\n{table}\n\n"
        f"{judgement_markdown(evaluation, decision)}\n"
    )
