"""Every random number of training, as a pure function of (seed, purpose, rank, step).

There is no random state to carry from step to step or to save in a checkpoint: a resumed run draws the same numbers as
an uninterrupted one, and no two ranks share numbers.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Purpose(IntEnum):
    """What a stream is for; the numbers are part of what makes a run reproducible, so they never change."""

    GENERATOR_WEIGHTS = 0
    CRITIC_WEIGHTS = 1
    DATA_ORDER = 2
    CRITIC_NOISE = 3
    GENERATOR_NOISE = 4
    INTERPOLATION = 5
    MIRRORING = 6


def torch_stream(seed: int, purpose: Purpose, rank: int = 0, step: int = 0, device: str = "cpu") -> torch.Generator:
    """A torch generator at the start of the stream's own sequence."""
    stream = torch.Generator(device)
    return stream.manual_seed(int(_sequence(seed, purpose, rank, step).generate_state(1, np.uint64)[0]))


def normal(shape: tuple[int, ...], device: torch.device, seed: int, purpose: Purpose, rank: int, step: int) -> Tensor:
    """Standard normal float32 noise, drawn on `device`."""
    return fill_normal(torch.empty(shape, device=device), seed, purpose, rank, step)


def uniform(shape: tuple[int, ...], device: torch.device, seed: int, purpose: Purpose, rank: int, step: int) -> Tensor:
    """Float32 numbers from [0, 1), drawn on `device`."""
    return fill_uniform(torch.empty(shape, device=device), seed, purpose, rank, step)


def fill_normal(values: Tensor, seed: int, purpose: Purpose, rank: int, step: int) -> Tensor:
    """Like `normal`, into an existing tensor; returns it."""
    return values.normal_(generator=torch_stream(seed, purpose, rank, step, str(values.device)))


def fill_uniform(values: Tensor, seed: int, purpose: Purpose, rank: int, step: int) -> Tensor:
    """Like `uniform`, into an existing tensor; returns it."""
    return values.uniform_(generator=torch_stream(seed, purpose, rank, step, str(values.device)))


def permutation(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order in which an epoch visits `count` images; the same on every rank."""
    philox = np.random.Philox(_sequence(seed, Purpose.DATA_ORDER, 0, epoch))
    return np.random.Generator(philox).permutation(count)


def _sequence(seed: int, purpose: Purpose, rank: int, step: int) -> np.random.SeedSequence:
    return np.random.SeedSequence((seed, int(purpose), rank, step))
