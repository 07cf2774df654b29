"""Sliced Wasserstein distance between Laplacian-pyramid patches (Karras et al. 2018, section 5 and their code).

Every image becomes a Laplacian pyramid, from its own size down to 16 pixels. 7×7 patches are drawn from every level,
normalised to mean 0 and deviation 1 per colour channel over the whole set, and projected onto random directions. The
distance is the mean absolute difference of the sorted projections, averaged over levels, times 10³ as published. Fine
levels show texture, coarse ones layout. No network is involved, so this needs no weights and no labels.

Karras et al. take 128 patches of each image and 4 × 128 directions, which costs minutes. Here it is 8 patches of at
most 1,024 images per seed and 128 directions: under a second per seed and side on one core at 32×32. The directions are
fixed; the patch positions depend on the seed and are the same for real and generated images. Fewer patches raise the
floor that real images reach, so the values are higher than published ones and not comparable with them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

LEAST_SIZE = 16
PATCH = 7
PATCHES = 8
"""Patches per level of each image."""
IMAGES = 1024
"""Maximum images per seed and side."""
PROJECTIONS = 128
DIRECTIONS_SEED = 7
PATCH_STREAM = 2
"""Keeps the patch positions independent of everything else drawn from the same seed."""
PUBLISHED_UNIT = 1e3

Projections = tuple[NDArray[np.float32], ...]
"""Per level, finest first: sorted projections (images · patches, directions)."""


def sliced_wasserstein(real: Projections, generated: Projections) -> float:
    """Mean over the levels of the mean absolute difference of sorted projections, × 10³; at least 0.

    Raises `ValueError` unless both come from the same number of images of the same size.
    """
    if [level.shape for level in real] != [level.shape for level in generated]:
        raise ValueError("sorted projections can only be compared for as many images of the same size")
    distances = [np.abs(mine - theirs).mean(dtype=np.float64) for mine, theirs in zip(real, generated, strict=True)]
    return PUBLISHED_UNIT * float(np.mean(distances))


def sorted_projections(batches: Iterable[NDArray[np.uint8]], count: int, seed: int, device: str = "cpu") -> Projections:
    """Projections of `count` images, given in batches uint8 (B, C, H, W), H = W ≥ 7; each level's columns sorted."""
    descriptors: list[list[Tensor]] = []
    done = 0
    for batch in batches:
        levels = laplacian_pyramid(torch.from_numpy(batch).to(device, torch.float32))
        descriptors = descriptors or [[] for _ in levels]
        for number, level in enumerate(levels):
            rows, columns = patch_places(count, level.shape[-1], seed, number)[:, done : done + len(batch)]
            descriptors[number].append(_patches(level, rows, columns))
        done += len(batch)
    if done != count:
        raise ValueError(f"{count} images were announced and {done} came")
    return tuple(_sorted(torch.cat(parts)) for parts in descriptors)


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Images (B, C, H, H) → levels of H, H/2, … 16 pixels: differences from the blurred image, then that image."""
    levels = [images]
    while levels[-1].shape[-1] // 2 >= LEAST_SIZE:
        finer = levels[-1]
        coarser = _blurred(finer)[:, :, ::2, ::2]
        spread = torch.zeros_like(finer)
        spread[:, :, ::2, ::2] = coarser
        levels[-1:] = [finer - 4 * _blurred(spread), coarser]
    return levels


def patch_places(count: int, size: int, seed: int, level: int) -> NDArray[np.int64]:
    """Top rows and left columns of the patches, int64 (2, count, 8)."""
    draw = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, PATCH_STREAM, level))))
    return draw.integers(0, size - PATCH + 1, size=(2, count, PATCHES))


def directions(dimension: int) -> NDArray[np.float32]:
    """Unit vectors in the columns of (dimension, 128), always the same."""
    draw = np.random.Generator(np.random.Philox(DIRECTIONS_SEED)).standard_normal((dimension, PROJECTIONS))
    unit: NDArray[np.float32] = (draw / np.linalg.norm(draw, axis=0)).astype(np.float32)
    return unit


def _blurred(images: Tensor) -> Tensor:
    """Binomial filter 1 4 6 4 1 in both directions, mirrored at the border."""
    channels = images.shape[1]
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=images.device) / 16
    padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
    down = functional.conv2d(padded, line.view(1, 1, 5, 1).expand(channels, 1, 5, 1), groups=channels)
    return functional.conv2d(down, line.view(1, 1, 1, 5).expand(channels, 1, 1, 5), groups=channels)


def _patches(level: Tensor, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
    """Patches (B · 8, 7, 7, C) of images (B, C, H, H)."""
    within = np.arange(PATCH)
    where = (
        torch.from_numpy(index).to(level.device)
        for index in (
            np.arange(len(level))[:, None, None, None],
            rows[:, :, None, None] + within[:, None],
            columns[:, :, None, None] + within,
        )
    )
    return level.permute(0, 2, 3, 1)[tuple(where)].flatten(0, 1)


def _sorted(patches: Tensor) -> NDArray[np.float32]:
    deviation, mean = torch.std_mean(patches, dim=(0, 1, 2), correction=0)
    # Single-colour images have deviation 0: their patches stay 0.
    normal = (patches - mean) / deviation.clamp(min=torch.finfo(patches.dtype).tiny)
    projected = normal.flatten(1) @ torch.from_numpy(directions(normal[0].numel())).to(patches.device)
    in_order: NDArray[np.float32] = projected.T.contiguous().sort(dim=1).values.T.cpu().numpy()
    return np.ascontiguousarray(in_order)
