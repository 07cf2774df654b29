"""What an evaluation leaves on the challenger's MLflow run: means, a table with intervals, both sides' sample grids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wgan.evaluation.measure import GenerateImages
from wgan.evaluation.metric_table import metric_rows, number_columns
from wgan.pixels import image_grid
from wgan.records import EvaluationRef
from wgan.settings import Settings
from wgan.tracking.runs import log_file, log_table, log_values

FOLDER = "evaluation"
GRID_IMAGES = 64
GRID_WIDTH = 96
"""Pixels an image of a grid is enlarged to, at most."""


def log_grids(
    sides: Mapping[str, GenerateImages],
    champion_version: int | None,
    seed: int,
    run_id: str,
    settings: Settings,
    folder: Path,
) -> dict[str, str]:
    """Draw 64 images of each side from the same seed and log them; returns side → path among the run's artifacts.

    The champion's file carries its version, so that judgements against other champions keep theirs.
    """
    paths = {}
    for side, generate in sides.items():
        images = generate(seed, GRID_IMAGES)
        name = f"champion-{champion_version}" if side == "champion" else side
        picture = folder / f"{name}.png"
        image_grid(images, scale=max(1, GRID_WIDTH // images.shape[-1])).save(picture)
        log_file(settings, run_id, picture, FOLDER)
        paths[side] = f"{FOLDER}/{picture.name}"
    return paths


def log_numbers(evaluation: EvaluationRef, settings: Settings) -> None:
    """Log the challenger's means as metrics of its run, and every side with its interval as a table."""
    run_id = evaluation.training.mlflow_run_id
    rows = metric_rows(evaluation.challenger, evaluation.champion, bounds=evaluation.bounds)
    columns = number_columns(rows)
    lines = len(columns["metric"])
    columns["champion_version"] = [str(evaluation.champion_version or "none")] * lines
    columns["data_digest"] = [evaluation.challenger.protocol.data_digest] * lines
    means = {f"evaluation_{name}": interval.mean for name, interval in evaluation.challenger.metrics.items()}
    log_values(settings, run_id, means)
    log_table(settings, run_id, columns, f"{FOLDER}/metrics-against-{evaluation.champion_version or 'none'}.json")
