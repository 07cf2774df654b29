"""Pictures with the statistics of photographs: colours whose spectrum falls with the frequency, and sharp shapes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw


def photograph(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """An RGB picture of that width and height; another seed gives another picture."""
    generator = np.random.default_rng(seed)
    fields = np.stack([_field(generator, size) for _ in range(3)])
    mixed = np.einsum("ij,jhw->hwi", generator.normal(0, 0.4, (3, 3)) + np.ones((3, 1)), fields)
    levels = generator.uniform(80, 170, 3) + generator.uniform(25, 45) * mixed
    picture = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(generator.integers(3, 7)):
        left, top = generator.uniform(-0.2, 0.9, 2) * size
        width, height = generator.uniform(0.1, 0.6, 2) * size
        colour = tuple(int(level) for level in generator.integers(20, 236, 3))
        shape = draw.ellipse if generator.random() < 0.5 else draw.rectangle
        shape((left, top, left + width, top + height), fill=colour)
    return picture


def _field(generator: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float64]:
    """Noise with a spectrum of 1/f, mean 0 and standard deviation 1; (height, width)."""
    width, height = size
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    spectrum = np.fft.rfft2(generator.normal(size=(height, width))) / np.maximum(frequencies, 1 / max(size))
    field = np.fft.irfft2(spectrum, (height, width))
    normal: NDArray[np.float64] = (field - field.mean()) / field.std()
    return normal
