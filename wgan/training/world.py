"""The processes that train one model together, as the loop sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def _nothing_to_average(_: Sequence[Tensor]) -> None:
    pass


@dataclass(frozen=True)
class World:
    """This process is `rank` of `size`; `reduce` replaces tensors by their mean over all ranks, in place.

    `batch_size` is per rank. Rank 0 alone observes and writes checkpoints.
    """

    rank: int = 0
    size: int = 1
    reduce: Callable[[Sequence[Tensor]], None] = _nothing_to_average

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set on any rank. A single process answers without touching the device."""
        if self.size == 1:
            return flag
        share = torch.tensor([float(flag)], device=device)
        self.reduce([share])
        return bool(share.item() > 0)


ALONE = World()
