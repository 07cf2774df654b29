"""A training step as one CUDA graph: the device replays it whole instead of launching every kernel.

A step of small networks is a hundred kernels of a few microseconds each, which Python cannot launch fast enough to
keep a GPU busy. A graph is a single launch. It requires that a step reads and writes the same memory each time: the
inputs are the fixed tensors of `wgan.training.inputs`, weights, running statistics and optimizer state are changed in
place, and gradients are zeroed inside the graph, so that they stay in its own memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[], dict[str, Tensor]]
WARM_UP = 3
"""Calls before the capture: regular steps that create the optimizer state and choose the kernels."""

logger = logging.getLogger(__name__)


class CapturedStep:
    """Calls `step` eagerly at first, then captures and replays it; the numbers stay the same.

    The tensors a replay returns are overwritten by the next one. A step that cannot be captured keeps running eagerly,
    and the log says why. Call it on a separate stream (`wgan.training.device.arithmetic`).
    """

    def __init__(self, name: str, step: Step) -> None:
        self.name, self.step, self.calls = name, step, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self._outputs: dict[str, Tensor] = {}

    def __call__(self) -> dict[str, Tensor]:
        if self.calls == WARM_UP:
            self._capture()
        self.calls += 1
        if self.graph is None:
            return self.step()
        self.graph.replay()
        return dict(self._outputs)

    def _capture(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
                self._outputs = self.step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            logger.warning("The %s runs without a CUDA graph, since it cannot be captured: %s", self.name, reason)
        else:
            self.graph = graph
