"""The sample grids of a judgement: what they are called in the challenger's run, and both sides as one picture."""

from __future__ import annotations

import io

import httpx
from PIL import Image, ImageDraw, ImageFont

from wgan.errors import WganError
from wgan.mlflow_api.models import Models
from wgan.mlflow_api.requests import Mlflow
from wgan.mlflow_server import connection_options, reason_of
from wgan.settings import Settings

EVALUATION_FOLDER = "evaluation"
"""Folder of a run's artifacts."""
CHALLENGER_GRID = "challenger"
GAP, TITLE_HEIGHT, TITLE_SIZE = 16, 40, 22
"""Pixels."""


def champion_grid(version: int) -> str:
    """Name of the champion's grid; it contains the version, so that judgements against other champions are kept."""
    return f"champion-{version}"


def grid_artifact(name: str) -> str:
    """Path of a grid among the run's artifacts."""
    return f"{EVALUATION_FOLDER}/{name}.png"


def both_grids(model: str, version: int, champion: int | None, settings: Settings) -> bytes | None:
    """A PNG of the version's sample grid beside that of the champion it was measured against.

    Without the champion's grid it shows the version alone; None if the version has no grid either. Raises `WganError`
    if the MLflow server does not answer.
    """
    with Mlflow(settings) as server:
        found = Models(server).version(model, version)
    if found is None or not found.run_id:
        return None
    sides = [(f"version {version}", _read(found.run_id, CHALLENGER_GRID, settings))]
    if champion is not None and champion != version:
        sides.append(
            (f"version {champion}, the champion before", _read(found.run_id, champion_grid(champion), settings))
        )
    grids = [(title, grid) for title, grid in sides if grid is not None]
    return _side_by_side(grids) if grids else None


def _read(run_id: str, name: str, settings: Settings) -> Image.Image | None:
    url = f"{settings.mlflow_tracking_uri.rstrip('/')}/get-artifact"
    try:
        with httpx.Client(**connection_options(settings)) as client:
            answer = client.get(url, params={"path": grid_artifact(name), "run_uuid": run_id})
    except httpx.HTTPError as error:
        raise WganError(f"the MLflow server does not answer at {url} ({reason_of(error)}).") from None
    if not answer.is_success:
        return None
    try:
        return Image.open(io.BytesIO(answer.content), formats=["PNG"]).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):  # anybody may write a run's artifacts
        return None


def _side_by_side(grids: list[tuple[str, Image.Image]]) -> bytes:
    width = sum(grid.width for _, grid in grids) + GAP * (len(grids) + 1)
    height = max(grid.height for _, grid in grids) + TITLE_HEIGHT + GAP
    canvas = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(TITLE_SIZE)
    left = GAP
    for title, grid in grids:
        draw.text((left, (TITLE_HEIGHT - TITLE_SIZE) // 2), title, fill="black", font=font)
        canvas.paste(grid, (left, TITLE_HEIGHT))
        left += grid.width + GAP
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
