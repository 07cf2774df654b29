"""The sizes of a study: the same experiments for seconds, minutes, hours, and for as long as in the papers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wgan.errors import UsageError
from wgan.evaluation.metrics.modes import PACGAN_SAMPLES
from wgan.records import Record

SizeName = Literal["tiny", "short", "medium", "full"]


class StudySize(Record):
    """Everything that differs between the sizes of the study."""

    name: SizeName
    seeds: int = Field(ge=2, description="Trainings of each variant in the plane.")
    point_steps: int = Field(description="Generator steps in the plane.")
    point_batch: int = Field(description="Points in a batch.")
    point_width: int = Field(description="Units in each of the three hidden layers of both networks.")
    point_samples: int = Field(description="Points that modes and quality are counted in.")
    widening: float = Field(description="Factor on the modes' published standard deviation.")
    wgan_critic_steps: int = Field(description="Critic steps of the clipped WGAN in claim 1's plane.")
    wgan_lr: float = Field(description="Its learning rate there.")
    falling: bool = Field(description="Whether the Wasserstein GANs' learning rate falls to 0 there.")
    optimum_steps: int = Field(description="Critic steps towards an optimal critic (claim 3).")
    measurements: int = Field(ge=3, description="How often a training is measured on its way.")
    image_seeds: int = Field(ge=1, description="Trainings of each variant on digits.")
    image_steps: int = Field(description="Generator steps on digits.")
    image_width: int = Field(description="Width d of the DCGAN.")
    plain_width: int = Field(description="Constant width of the generator without batch norm; 64 in the authors' code.")
    plain_steps: int = Field(description="Generator steps of the claim about architectures.")
    image_samples: int = Field(description="Images a Fréchet distance is taken from.")
    stacked_seeds: int = Field(ge=1, description="Trainings of each variant on stacked digits.")
    stacked_steps: int = Field(description="Generator steps on stacked digits.")
    stacked_count: int = Field(description="Triples in the training set.")
    stacked_samples: int = Field(description="Generated triples that modes are counted in.")


TINY = StudySize(
    name="tiny",
    seeds=2,
    point_steps=6,
    point_batch=16,
    point_width=8,
    point_samples=50,
    widening=4.0,
    wgan_critic_steps=25,
    wgan_lr=2e-4,
    falling=False,
    optimum_steps=20,
    measurements=3,
    image_seeds=1,
    image_steps=3,
    image_width=4,
    plain_width=4,
    plain_steps=3,
    image_samples=32,
    stacked_seeds=1,
    stacked_steps=2,
    stacked_count=64,
    stacked_samples=32,
)
SHORT = StudySize(
    name="short",
    seeds=3,
    point_steps=800,
    point_batch=128,
    point_width=128,
    point_samples=1000,
    widening=4.0,
    wgan_critic_steps=25,
    wgan_lr=2e-4,
    falling=False,
    optimum_steps=800,
    measurements=15,
    image_seeds=1,
    image_steps=300,
    image_width=8,
    plain_width=64,
    plain_steps=400,
    image_samples=512,
    stacked_seeds=1,
    stacked_steps=200,
    stacked_count=20_000,
    stacked_samples=2_600,
)
MEDIUM = StudySize(
    name="medium",
    seeds=3,
    point_steps=10_000,
    point_batch=256,
    point_width=128,
    point_samples=2_500,
    widening=1.0,
    wgan_critic_steps=5,
    wgan_lr=3e-3,
    falling=True,
    optimum_steps=4_000,
    measurements=25,
    image_seeds=2,
    image_steps=2_000,
    image_width=16,
    plain_width=64,
    plain_steps=3_000,
    image_samples=2_048,
    stacked_seeds=1,
    stacked_steps=10_000,
    stacked_count=128_000,
    stacked_samples=PACGAN_SAMPLES,
)
"""The modes' published deviation and PacGAN's sample size, on networks that two cores train in hours."""
FULL = StudySize(
    name="full",
    seeds=5,
    point_steps=20_000,
    point_batch=256,
    point_width=512,
    point_samples=2_500,
    widening=1.0,
    wgan_critic_steps=5,
    wgan_lr=3e-3,
    falling=True,
    optimum_steps=20_000,
    measurements=50,
    image_seeds=3,
    image_steps=5_000,
    image_width=32,
    plain_width=64,
    plain_steps=5_000,
    image_samples=5_000,
    stacked_seeds=3,
    stacked_steps=20_000,
    stacked_count=128_000,
    stacked_samples=PACGAN_SAMPLES,
)
SIZES: dict[SizeName, StudySize] = {size.name: size for size in (TINY, SHORT, MEDIUM, FULL)}


def parse_claims(text: str, known: int) -> tuple[int, ...]:
    """`3,7` as sorted claim numbers. Raises `UsageError` for anything but numbers from 1 to `known`."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= known for part in parts):
        raise UsageError(f"--claims {text!r} is not a list of claims: give numbers from 1 to {known}, as in 3,7.")
    return tuple(sorted({int(part) for part in parts}))
