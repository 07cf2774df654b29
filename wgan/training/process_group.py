"""The World of torch's process group: NCCL on CUDA, gloo on the CPU."""

from __future__ import annotations

import torch.distributed
from torch import Tensor

from wgan.errors import RankLost
from wgan.training.all_reduce import FlatAverage
from wgan.training.world import World


def world_of_process_group() -> World:
    """The World of the default process group, which must be initialised.

    Its `reduce` raises `RankLost` if another rank ended, or did not answer within the group's time-out.
    """
    rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()

    def all_reduce(buffer: Tensor) -> None:
        try:
            torch.distributed.all_reduce(buffer)
        except RuntimeError as error:  # gloo has no error class of its own; NCCL's are subclasses
            reason = " ".join(str(error).split())
            raise RankLost(f"rank {rank} of {size} lost another rank in a collective: {reason}.") from None

    return World(rank, size, FlatAverage(all_reduce, size))
