"""The values measured at every generator step, kept so that medians and curves survive an interruption."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wgan.errors import TrainingDiverged

MEDIAN_WINDOW = 101
"""Window of the running median; the paper's figures 3 and 4 filter their curves over the same number of points."""


class History:
    """Float32 values by name, one per generator step; entry i is step i + 1.

    Values stay on their device until `to_host`, so that appending never waits for it.
    """

    def __init__(self, values: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        self._on_host = {name: list(map(float, column)) for name, column in (values or {}).items()}
        self._on_device: list[Tensor] = []
        self._names: list[str] = []

    def append(self, values: Mapping[str, Tensor]) -> None:
        """Add one step's values: 0-dimensional float32 tensors without gradient, the same names at every step.

        They are copied: a captured step overwrites its own.
        """
        self._names = list(values)
        self._on_device.append(torch.stack(list(values.values())))

    def to_host(self) -> None:
        """Move everything to the host, in one transfer. Raises `TrainingDiverged` at the first NaN or infinity."""
        if not self._on_device:
            return
        rows = torch.stack(self._on_device).tolist()
        self._on_device.clear()
        for row in rows:
            for name, value in zip(self._names, row, strict=True):
                column = self._on_host.setdefault(name, [])
                if not np.isfinite(value):
                    raise diverged(name, len(column) + 1)
                column.append(value)

    def last(self) -> dict[str, float]:
        """The values of the last step on the host."""
        return {name: column[-1] for name, column in self._on_host.items() if column}

    def running_median(self, name: str) -> float:
        """Median of the last 101 values on the host (of all, if there are fewer)."""
        return float(np.median(self._on_host[name][-MEDIAN_WINDOW:]))

    def columns(self) -> dict[str, NDArray[np.float32]]:
        """All values on the host."""
        return {name: np.array(column, dtype=np.float32) for name, column in self._on_host.items()}


def diverged(quantity: str, step: int) -> TrainingDiverged:
    """The error for a NaN or an infinity, with suggestions."""
    return TrainingDiverged(
        f"training diverged: {quantity} is NaN or infinite at generator step {step}; the last good checkpoint is kept; "
        "try a smaller training.lr, training.precision=float32 or another training.seed."
    )
