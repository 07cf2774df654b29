"""What was measured at every generator step, kept so that medians and curves survive an interruption."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wgan.errors import TrainingDiverged

MEDIAN_WINDOW = 101
"""Points of the running median; the paper's figures 3 and 4 filter their curves over as many."""


class History:
    """Float32 values by name, one per generator step; entry i is step i + 1.

    Values stay on their device until `settle`, so that appending never waits for it.
    """

    def __init__(self, values: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        self._settled = {name: list(map(float, column)) for name, column in (values or {}).items()}
        self._pending: list[dict[str, Tensor]] = []

    def append(self, values: Mapping[str, Tensor]) -> None:
        """Add one step's values: 0-dimensional float32 tensors without gradient, the same names at every step."""
        self._pending.append(dict(values))

    def settle(self) -> None:
        """Move what is pending to the host, in one transfer. Raises `TrainingDiverged` at the first NaN or infinity."""
        if not self._pending:
            return
        names = list(self._pending[0])
        rows = torch.stack([step[name] for step in self._pending for name in names]).view(-1, len(names)).tolist()
        self._pending.clear()
        for row in rows:
            for name, value in zip(names, row, strict=True):
                column = self._settled.setdefault(name, [])
                if not np.isfinite(value):
                    raise diverged(name, len(column) + 1)
                column.append(value)

    def last(self) -> dict[str, float]:
        """The settled values of the last step."""
        return {name: column[-1] for name, column in self._settled.items() if column}

    def running_median(self, name: str) -> float:
        """Median of the last 101 settled values (of all, if there are fewer)."""
        return float(np.median(self._settled[name][-MEDIAN_WINDOW:]))

    def columns(self) -> dict[str, NDArray[np.float32]]:
        """All settled values."""
        return {name: np.array(column, dtype=np.float32) for name, column in self._settled.items()}


def diverged(quantity: str, step: int) -> TrainingDiverged:
    """The error for a NaN or an infinity, with what to try."""
    return TrainingDiverged(
        f"training diverged: {quantity} is NaN or infinite at generator step {step}; the last good checkpoint is kept; "
        "try a smaller training.lr, training.precision=float32 or another training.seed."
    )
