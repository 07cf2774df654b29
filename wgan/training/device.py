"""Which device trains, and in which precision its convolutions multiply."""

from __future__ import annotations

from typing import Literal

import torch

from wgan.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve_device(name: str) -> torch.device:
    """`auto` is CUDA, else MPS, else the CPU; otherwise `cpu`, `cuda`, `mps`, or one of several as in `cuda:1`.

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


def resolve_precision(precision: str, device: torch.device) -> Literal["float32", "bf16"]:
    """`auto` is bf16 where it is the faster one, that is where matrix units multiply it, else float32.

    Those are CUDA from compute capability 8.0 and x86 processors with AMX. A processor with only the vector
    instructions (AVX512-BF16) trains as fast in float32, so `auto` keeps the exact one there. An explicit precision is
    taken as it is: bf16 works everywhere, if slowly.
    """
    if precision == "float32":
        return "float32"
    return "bf16" if precision == "bf16" or _multiplies_bf16(device) else "float32"


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16", False))
