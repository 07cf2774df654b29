"""Parameters of a run in MLflow: those that people compare, few and short."""

from __future__ import annotations

import pytest

from wgan.config_reading import load_config
from wgan.tracking.parameters import compared_parameters


def test_a_run_has_the_parameters_that_people_compare() -> None:
    assert compared_parameters(load_config("fashion-mnist"), "cpu") == {
        "data_set": "fashion-mnist",
        "image_size": "32",
        "objective": "wgan",
        "width": "32",
        "lr": "5e-05",
        "batch_size": "64",
        "n_critic": "5",
        "clip_value": "0.01",
        "generator_steps": "20000",
        "seed": "0",
        "precision": "auto",
        "device": "cpu",
    }


@pytest.mark.parametrize("objective", ["wgan", "wgan-gp", "gan"])
def test_the_critics_constraint_is_that_of_its_objective(objective: str) -> None:
    names = compared_parameters(load_config("digits", assignments=[f"training.objective={objective}"]), "cpu")
    assert ("gradient_penalty" in names, "clip_value" in names) == (objective == "wgan-gp", objective != "wgan-gp")
    assert len(names) == 12
