"""Comparison: two registered versions side by side, as artifacts in Prefect and a report in MLflow."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefect.artifacts import create_image_artifact, create_link_artifact, create_markdown_artifact

from tasks.connections import connect
from tasks.device_slots import evaluation_device
from tasks.progress import progress_artifact
from tasks.retrying import retried_task
from wgan.comparison.record import Comparison
from wgan.comparison.report import comparison_html
from wgan.metric_text.summary import grids_markdown, judgement_markdown
from wgan.pixels import image_grid
from wgan.records import GateDecision
from wgan.registry.aliases import named_version
from wgan.settings import Settings
from wgan.steps.compare import compare_versions
from wgan.steps.measure import ProtocolName
from wgan.tracking.run_status import artifact_url, run_url
from wgan.tracking.runs import log_file

FOLDER = "comparisons"
"""Folder of the artifacts of the run that made the second version."""
GRID_WIDTH = 96
"""Maximum size, in pixels, of an enlarged image in a grid."""


@retried_task("compare versions")
def compare_registered(model_name: str, version: str, against: str, protocol: ProtocolName) -> GateDecision:
    """Measure the version as a challenger of `against`, and publish the report; both may be numbers or aliases."""
    settings, storage = connect()
    first, second = (named_version(model_name, name, settings) for name in (against, version))
    with (
        evaluation_device(settings) as device,
        progress_artifact("comparison", f"Comparing {model_name} versions {first} and {second}"),
    ):
        chosen = settings.model_copy(update={"device": device})
        found = compare_versions(model_name, first, second, protocol, chosen, storage)
    _publish(found, settings)
    return found.decision


def _publish(found: Comparison, settings: Settings) -> None:
    run_id = found.evaluation.training.mlflow_run_id
    name = f"v{found.first.version.version}-v{found.second.version.version}"
    pictures = {}
    with tempfile.TemporaryDirectory(prefix="wgan-comparison-") as folder:
        report = Path(folder, f"{name}.html")
        report.write_text(comparison_html(found), encoding="utf-8")
        log_file(settings, run_id, report, FOLDER)
        for side in (found.second, found.first):
            picture = Path(folder, f"{name}-samples-of-v{side.version.version}.png")
            image_grid(side.samples, scale=max(1, GRID_WIDTH // side.samples.shape[-1])).save(picture)
            log_file(settings, run_id, picture, FOLDER)
            pictures[side.name] = artifact_url(settings, run_id, f"{FOLDER}/{picture.name}")
    verdict = "would be promoted" if found.decision.promote else "would not be promoted"
    outcome = f"{found.model_name}: against {found.first.name}, {found.second.name} {verdict}"
    table = judgement_markdown(found.evaluation, found.decision)
    create_markdown_artifact(
        markdown=f"# {outcome}\n\n{grids_markdown(pictures)}\n\n{table}", key="comparison-report", description=outcome
    )
    for title, url in pictures.items():
        create_image_artifact(
            image_url=url, key=f"samples-{title.replace(' ', '-')}", description=f"Samples of {title}"
        )
    create_link_artifact(
        link=run_url(settings, run_id, "/artifacts"),
        key="comparison-html",
        link_text=f"{FOLDER}/{report.name} in MLflow",
        description="The whole report, with nearest training images, intervals, curves and lineage",
    )
