"""A trial of the study that takes six generator steps."""

from __future__ import annotations

from wgan.study.baselines import in_the_plane
from wgan.study.sizes import TINY
from wgan.study.trials import PointTrial
from wgan.study.variants import point_trial


def point(seed: int = 0, objective: str = "wgan", **changes: object) -> PointTrial:
    return point_trial("WGAN", TINY, "grid", in_the_plane(objective, TINY, seed, **changes))
