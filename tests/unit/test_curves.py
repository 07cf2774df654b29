"""The figure of the training curves is drawn from the available metrics."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from wgan.tracking.curves import draw_curves


def height(path: Path) -> int:
    with Image.open(path) as image:
        return image.height


def test_the_figure_has_a_panel_for_each_group_with_values(tmp_path: Path) -> None:
    history = {step: {"critic_loss": -step / 10, "generator_loss": step / 20} for step in range(1, 9)}
    draw_curves(history, "losses only", tmp_path / "one.png")
    history = {step: {**values, "clip_share": 0.5} for step, values in history.items()}
    draw_curves(history, "losses and clipping", tmp_path / "two.png")
    assert height(tmp_path / "two.png") == 2 * height(tmp_path / "one.png")


def test_an_empty_history_still_gives_a_figure(tmp_path: Path) -> None:
    draw_curves({}, "nothing yet", tmp_path / "curves.png")
    assert height(tmp_path / "curves.png") > 0
