"""An observer that neither reports nor stops anything: that of every rank but 0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class SilentObserver:
    """Ignores what the loop reports."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Ignored."""

    def samples(self, step: int, images: NDArray[np.uint8]) -> None:
        """Ignored."""

    def checkpoint(self, step: int, path: Path) -> None:
        """Ignored."""

    def should_stop(self) -> bool:
        """Never."""
        return False


SILENT = SilentObserver()
