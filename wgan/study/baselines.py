"""The three ways to train that the claims compare, each with the hyperparameters its authors published.

    gan       DCGAN's: Adam, lr 2e-4, β = (0.5, 0.999), one discriminator step (Radford et al. 2016)
    wgan      Algorithm 1: RMSProp, n_critic 5, weight clipping
    wgan-gp   Adam, β = (0.5, 0.9), n_critic 5 and λ = 0.1 in the plane, 10 on images (Gulrajani et al. 2017, and
              `gan_toy.py` of their code)

The paper's clip value 0.01 and rate 5e-5 are for convolutions of 64×64 images and about 10⁵ generator steps. The
trainings here are shorter and the perceptrons shallower, so larger values are used.
"""

from __future__ import annotations

from typing import Any

from wgan.config import TrainingConfig
from wgan.study.sizes import StudySize

POINT_LR = {"gan": 2e-4, "wgan": 2e-4, "wgan-gp": 5e-4}
IMAGE_LR = {"gan": 2e-4, "wgan": 2e-4, "wgan-gp": 2e-4}
POINT_CLIP = 0.1
POINT_PENALTY = 0.1
PUBLISHED: dict[str, dict[str, Any]] = {"wgan": {"critic_schedule": "published"}}
"""By objective, the authors' addition to Algorithm 1: a critic near optimality before the generator moves."""
SCHEDULES = (
    "The WGAN's critic takes 100 steps before each of the first 25 generator steps and before every 500th, as in the "
    "authors' code, and five before each other; the GAN's discriminator takes one."
)
OPTIMIZER: dict[str, dict[str, Any]] = {
    "gan": {"optimizer": "adam", "adam_betas": (0.5, 0.999), "n_critic": 1},
    "wgan": {"optimizer": "rmsprop", "n_critic": 5},
    "wgan-gp": {"optimizer": "adam", "adam_betas": (0.5, 0.9), "n_critic": 5},
}


def in_the_plane(objective: str, size: StudySize, seed: int, **changes: Any) -> TrainingConfig:
    """The configuration of a training on points; `changes` are of `TrainingConfig`'s fields."""
    values: dict[str, Any] = {
        **OPTIMIZER[objective],
        "objective": objective,
        "lr": POINT_LR[objective],
        "clip_value": POINT_CLIP,
        "gradient_penalty": POINT_PENALTY,
        "generator_steps": size.point_steps,
        "batch_size": size.point_batch,
        "precision": "float32",
        "seed": seed,
    }
    return TrainingConfig.model_validate(values | changes)


def on_images(objective: str, generator_steps: int, seed: int, **changes: Any) -> TrainingConfig:
    """The configuration of a training on digits: batch 64, clip value 0.01, λ = 10; `changes` are of its fields."""
    values: dict[str, Any] = {
        **OPTIMIZER[objective],
        "objective": objective,
        "lr": IMAGE_LR[objective],
        "generator_steps": generator_steps,
        "precision": "float32",
        "seed": seed,
    }
    return TrainingConfig.model_validate(values | changes)
