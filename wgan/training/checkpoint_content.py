"""What a checkpoint file may hold: plain tensors, no larger than the file, under known names."""

from __future__ import annotations

import math
import pickletools
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from wgan.config import NetworksConfig
from wgan.training.networks import Generator

FIELDS: Mapping[str, tuple[type, ...]] = {
    "config": (dict,),
    "config_digest": (str,),
    "data_digest": (str,),
    "generator_steps": (int,),
    "critic_steps": (int,),
    "seconds": (int, float),
    "generator": (dict,),
    "critic": (dict,),
    "generator_optimizer": (dict,),
    "critic_optimizer": (dict,),
    "history": (dict,),
}
"""The fields of a checkpoint, and their types."""
PRECISIONS = (None, "float32", "bf16")
MOST_STEPS = 10**11
"""Ten million generator steps with a thousand critic steps each, plus as many again."""
MOST_VALUES = 100_000
MOST_DESCRIPTION = 2**22
"""Maximum bytes of the pickle that describes the tensors; the largest networks need a hundredth of it."""
NAMED = {"collections.OrderedDict", "torch._utils._rebuild_tensor_v2"}
"""The names a pickle may use besides the storage types: none of them allocates memory."""


def require_plain_container(path: Path) -> None:
    """Raise `BadZipFile` unless the file is torch's container, complete, uncompressed, with only plain tensors.

    torch.load ignores the checksums, would decompress more than the file's size, and lets the pickle allocate arrays of
    any size.
    """
    with ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise BadZipFile("packed")
        if archive.testzip() is not None:
            raise BadZipFile("checksum")
        (description,) = (entry for entry in entries if entry.filename.endswith(".pkl"))
        if description.file_size > MOST_DESCRIPTION:
            raise BadZipFile("description")
        for operation, argument, _ in pickletools.genops(archive.read(description)):
            if operation.name == "GLOBAL":
                name = str(argument).replace(" ", ".")
                if name not in NAMED and not (name.startswith("torch.") and name.endswith("Storage")):
                    raise BadZipFile("description")


def require_fields(content: Mapping[str, Any]) -> None:
    """Raise `TypeError`, `KeyError` or `ValueError` unless every field is present, of its type and of bounded size."""
    for name, kinds in FIELDS.items():
        if not isinstance(content[name], kinds) or isinstance(content[name], bool):
            raise TypeError(name)
    _require_bounded(content, [MOST_VALUES])
    for name in ("generator", "critic", "history", drawn_generator(content)):
        if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content[name].items()):
            raise TypeError(name)
    if not all(0 <= content[name] <= MOST_STEPS for name in ("generator_steps", "critic_steps")):
        raise ValueError("steps")
    if not (0 <= content["seconds"] <= MOST_STEPS and math.isfinite(content["seconds"])):
        raise ValueError("seconds")
    for column in content["history"].values():
        if column.shape != (content["generator_steps"],) or column.dtype != torch.float32 or column.requires_grad:
            raise ValueError("history")
    # Files of earlier versions have none of these.
    if not isinstance(content.get("started_from"), str | None):
        raise TypeError("started_from")
    if content.get("precision") not in PRECISIONS:
        raise ValueError("precision")
    if not isinstance(plugins := content.get("plugins", []), list) or not all(
        isinstance(code, str) for code in plugins
    ):
        raise TypeError("plugins")


def drawn_generator(content: Mapping[str, Any]) -> str:
    """The field with the weights that are drawn, evaluated and exported: their average, if the run kept one."""
    return "average" if "average" in content else "generator"


def is_of(weights: Mapping[str, Tensor], networks: NetworksConfig, channels: int, image_size: int) -> bool:
    """Whether the weights have the shapes of the configured generator; allocates nothing.

    The shapes of a custom network are only known once it is built, so its weights are accepted.
    """
    if networks.generator != "dcgan":
        return True
    with torch.device("meta"):
        asked = Generator(channels, image_size, networks.width, networks.latent_dim).state_dict()
    return {name: value.shape for name, value in weights.items()} == {name: v.shape for name, v in asked.items()}


def are_finite(weights: Mapping[str, Tensor]) -> bool:
    """Whether no weight is NaN or infinite."""
    return all(bool(value.isfinite().all()) for value in weights.values())


def require_state_of(optimizer: Optimizer) -> None:
    """Raise `ValueError` unless the optimizer's state fits its parameters; otherwise the next step would fail."""
    averages = {"exp_avg", "exp_avg_sq"} if isinstance(optimizer, Adam) else {"square_avg"}
    for parameter, values in optimizer.state.items():
        if set(values) != averages | {"step"} or values["step"].shape != ():
            raise ValueError("optimizer")
        if any(values[name].shape != parameter.shape for name in averages):
            raise ValueError("optimizer")


def _require_bounded(value: Any, left: list[int]) -> None:
    """Raise `ValueError` for more values than a checkpoint has, or a tensor larger than its storage.

    Containers count every time they are visited: otherwise cyclic containers would be walked forever.
    """
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("values")
    if isinstance(value, Tensor):
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError("tensor")
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            _require_bounded(name, left)
            _require_bounded(inner, left)
    elif isinstance(value, list | tuple | set):
        for inner in value:
            _require_bounded(inner, left)
