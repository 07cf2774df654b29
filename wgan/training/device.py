"""Chooses the device that trains, and its arithmetic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from wgan.durations import counted
from wgan.errors import UsageError
from wgan.processors import usable_processors

DEVICES = ("auto", "cpu", "cuda", "mps")
Precision = Literal["float32", "bf16"]


def resolve_device(name: str) -> torch.device:
    """`auto` is CUDA, else MPS, else the CPU; otherwise `cpu`, `cuda`, `mps`, or a numbered one such as `cuda:1`.

    Raises `UsageError` if the name is none of these or this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in DEVICES[1:] or (index and not index.isdecimal()):
        raise UsageError(f"there is no device {name!r}; allowed are {', '.join(DEVICES)}, or cuda:N for the N-th.")
    available = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[kind]
    if int(index or 0) >= available:
        raise UsageError(
            f"device {name} is not there: torch {torch.__version__} sees {available} of kind {kind}; use cpu or auto."
        )
    return torch.device(name)


@dataclass(frozen=True)
class Gpu:
    """A GPU as this process sees it."""

    device: str
    """torch's index, as in `cuda:1`, among the GPUs that CUDA_VISIBLE_DEVICES leaves visible."""
    uuid: str
    """Its UUID: the same in every process and container."""
    name: str
    """Its model, e.g. `NVIDIA H100 80GB HBM3`."""

    @property
    def slot(self) -> str:
        """The name of its slot on the Prefect server, which admits one training at a time."""
        return f"gpu-{self.uuid}"


def offered_gpus(name: str) -> tuple[Gpu, ...]:
    """The GPUs that a device name may mean: one for `cuda:1`, all for `cuda`, none if it is not a GPU.

    Raises `UsageError` as `resolve_device` does.
    """
    device = resolve_device(name)
    if device.type != "cuda":
        return ()
    indices = range(torch.cuda.device_count()) if device.index is None else (device.index,)
    found = ((index, torch.cuda.get_device_properties(index)) for index in indices)
    return tuple(Gpu(f"cuda:{index}", str(properties.uuid), properties.name) for index, properties in found)


def device_name(device: torch.device) -> str:
    """The model of the device, e.g. `NVIDIA H100 80GB HBM3`; timings are stored under it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capabilities = torch.cpu.get_capabilities()
    model = str(capabilities.get("cpu_name") or capabilities.get("architecture") or "cpu")
    return f"{model}, {counted(torch.get_num_threads(), 'thread')}" if device.type == "cpu" else device.type


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device has bf16 instructions. Elsewhere bf16 works, but is never faster."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def leaves_processors_free(device: torch.device) -> bool:
    """Whether other work with as many threads as a training on this device has processors of its own.

    Never on a GPU, which both would use.
    """
    limit_threads()
    return device.type == "cpu" and usable_processors().count >= 2 * torch.get_num_threads()


def limit_threads() -> None:
    """Limit torch's threads to the processors this process may use; `OMP_NUM_THREADS` takes precedence.

    torch ignores a container's CPU quota, and threads beyond it are throttled.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), usable_processors().count))


@contextmanager
def arithmetic(device: torch.device, tf32: bool) -> Iterator[None]:
    """Set how CUDA computes inside the block; other devices have no such options.

    cuDNN times its convolutions for each shape and keeps the fastest, float32 factors are rounded to TF32 or not, and
    everything runs on a stream of its own, as graph capture requires.
    """
    if device.type != "cuda":
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.get_float32_matmul_precision()
    before = cudnn.benchmark, cudnn.allow_tf32
    with ExitStack() as stack:
        stack.enter_context(torch.cuda.device(device))
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        outer = torch.cuda.current_stream(device)
        stream.wait_stream(outer)
        stack.callback(outer.wait_stream, stream)
        stack.enter_context(torch.cuda.stream(stream))
        try:
            cudnn.benchmark, cudnn.allow_tf32 = True, tf32
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            yield
        finally:
            cudnn.benchmark, cudnn.allow_tf32 = before
            torch.set_float32_matmul_precision(matmul)
