"""How fast the training loop is, against a plain one: python tests/benchmarks/train_throughput.py [--precision bf16].

Prints one JSON object. For the digits preset's networks and for 64×64 at width 64 (both batch 64, five critic steps),
three loops take turns on the same networks, so that whatever else the machine does meets all of them alike:

    ours            wgan.training.loop.train as it is, data, metrics and random streams included
    plain           textbook code: torch's layers in their default layout, eager float32, one forward pass for the real
                    and one for the fake batch, nothing detached or frozen (what comes of it is zeroed or unused)
    plain_detached  the same with the fakes of a critic step detached

A figure is real images through the critic per second, the median of generator steps after the first; `ratio` is
ours / plain, `ratio_detached` ours / plain_detached.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wgan.config import RetrainConfig
from wgan.config_reading import load_config, parse_config
from wgan.training.device import resolve_precision
from wgan.training.loop import train
from wgan.training.networks import Critic, Generator

CPU = torch.device("cpu")
BATCH, N_CRITIC = 64, 5


class Noise:
    """A data set of noise: what the pixels are costs nothing here."""

    def __init__(self, channels: int, image_size: int) -> None:
        self.count, self.channels, self.image_size = 512, channels, image_size
        shape = (self.count, channels, image_size, image_size)
        self.images = np.random.Generator(np.random.Philox(0)).integers(0, 256, shape, dtype=np.uint8)

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self.images[indices]


class Speeds:
    """An observer that keeps the speed of each generator step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.seen.append(values["images_per_second"])

    def samples(self, step: int, images: NDArray[np.uint8]) -> None:
        pass

    def checkpoint(self, step: int, path: Path) -> None:
        pass

    def should_stop(self) -> bool:
        return False


def textbook_networks(config: RetrainConfig) -> tuple[nn.Module, nn.Module]:
    """The networks of `wgan.training.networks`, spelled out in torch's own layers."""
    channels, width, latent_dim = config.data.channels, config.networks.width, config.networks.latent_dim
    blocks = {32: 3, 64: 4}[config.data.image_size]
    widths = [width * 2**power for power in range(blocks, 0, -1)]
    layers: list[nn.Module] = [nn.ConvTranspose2d(latent_dim, widths[0], 4, bias=False)]
    for wide, narrow in pairwise(widths):
        layers += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh()]
    generator = nn.Sequential(*layers)
    widths = [width * 2**power for power in range(blocks)]
    layers = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
    for narrow, wide in pairwise(widths):
        layers += [
            nn.Conv2d(narrow, wide, 4, 2, 1, bias=False),
            nn.InstanceNorm2d(wide, affine=True),
            nn.LeakyReLU(0.2),
        ]
    critic = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4))
    ours = (
        Generator(channels, config.data.image_size, width, latent_dim),
        Critic(channels, config.data.image_size, width),
    )
    for theirs, network in zip((generator, critic), ours, strict=True):
        assert sum(p.numel() for p in theirs.parameters()) == sum(p.numel() for p in network.parameters())
    return generator, critic


def plain_speeds(config: RetrainConfig, steps: int, detached: bool) -> list[float]:
    """Speed of each generator step of the textbook loop."""
    generator, critic = textbook_networks(config)
    generator_optimizer = torch.optim.RMSprop(generator.parameters(), lr=5e-5)
    critic_optimizer = torch.optim.RMSprop(critic.parameters(), lr=5e-5)
    images = torch.from_numpy(Noise(config.data.channels, config.data.image_size).images)
    speeds = []
    for _ in range(steps):
        start = time.perf_counter()
        for _ in range(N_CRITIC):
            real = images[torch.randint(len(images), (BATCH,))].float() / 127.5 - 1
            fake = generator(torch.randn(BATCH, config.networks.latent_dim, 1, 1))
            if detached:
                fake = fake.detach()
            loss = critic(fake).mean() - critic(real).mean()
            critic_optimizer.zero_grad()
            loss.backward()
            critic_optimizer.step()
            for parameter in critic.parameters():
                parameter.data.clamp_(-0.01, 0.01)
        loss = -critic(generator(torch.randn(BATCH, config.networks.latent_dim, 1, 1))).mean()
        generator_optimizer.zero_grad()
        loss.backward()
        generator_optimizer.step()
        speeds.append(N_CRITIC * BATCH / (time.perf_counter() - start))
    return speeds


def our_speeds(config: RetrainConfig, steps: int, precision: str) -> list[float]:
    """Speed of each generator step of `train`."""
    values: dict[str, Any] = config.model_dump()
    values["training"] |= {
        "generator_steps": steps, "batch_size": BATCH, "n_critic": N_CRITIC, "critic_schedule": "constant",
        "precision": precision, "log_every": 1, "sample_count": 1,
    }  # fmt: skip
    observer = Speeds()
    with tempfile.TemporaryDirectory() as folder:
        images = Noise(config.data.channels, config.data.image_size)
        train(parse_config(values), images, "noise", observer, CPU, Path(folder))
    return observer.seen


def measure(config: RetrainConfig, rounds: int, steps: int, precision: str) -> dict[str, float]:
    """Medians over all rounds; the loops take turns."""
    loops: dict[str, Callable[[], list[float]]] = {
        "ours": lambda: our_speeds(config, steps, precision),
        "plain": lambda: plain_speeds(config, steps, detached=False),
        "plain_detached": lambda: plain_speeds(config, steps, detached=True),
    }
    seen: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            seen[name] += loop()[1:]
    speeds = {name: statistics.median(values) for name, values in seen.items()}
    ratios = {
        "ratio": speeds["ours"] / speeds["plain"],
        "ratio_detached": speeds["ours"] / speeds["plain_detached"],
    }
    return {name: round(value, 2) for name, value in (speeds | ratios).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Training throughput, this loop against a plain one, as JSON.")
    parser.add_argument("--precision", choices=["auto", "float32", "bf16"], default="auto", help="of this loop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["digits", "64x64"])
    options = parser.parse_args()
    celeba = parse_config({"data": {"source": "celeba", "image_size": 64, "channels": 3}, "networks": {"width": 64}})
    cases = {"digits": (load_config("digits"), 12), "64x64": (celeba, 3)}
    report: dict[str, Any] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "bf16_matrix_units": resolve_precision("auto", CPU) == "bf16",
        "precision": resolve_precision(options.precision, CPU),
        "images_per_second": {
            name: measure(config, options.rounds, steps, options.precision)
            for name, (config, steps) in cases.items()
            if options.only in (None, name)
        },
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
