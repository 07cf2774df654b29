"""How fast the training loop is, against a plain one: python tests/benchmarks/train_throughput.py [--device cuda].

Prints one JSON object and a table. For the networks of digits.yaml and for 64×64 at width 64 (five critic steps),
loops alternate on the same networks, so that other work on the machine affects all of them alike:

    plain           textbook code: torch's layers in their default layout, eager, torch's default float32, one forward
                    pass for the real and one for the fake batch, nothing detached or frozen
    plain detached  the same with the fakes of a critic step detached
    ours            wgan.training.loop.train as it is, data, metrics and random streams included; on CUDA once for each
                    way to execute its steps: eager, compiled networks, captured as CUDA graphs, and both

A figure is real images through the critic per second, the median over chunks of generator steps after the first ones.
On CUDA the plain loops have their images on the device, and two ceilings are measured first: a bf16 matrix product and
a copy on the device. What a step must do at least is counted: the operations of its convolutions and products, and the
bytes of their inputs, outputs and gradients in bf16, each once, with the optimizers' reads and writes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from wgan.config import RetrainConfig
from wgan.config_reading import load_config, parse_config
from wgan.training.device import device_name, resolve_device
from wgan.training.loop import train
from wgan.training.networks import Critic, Generator
from wgan.training.objectives import objective_of
from wgan.training.runner import Execution
from wgan.training.state import new_state
from wgan.training.steps import critic_step, generator_step

DIGITS = Path(__file__).with_name("digits.yaml")
N_CRITIC = 5
WARM_UP = {"cpu": 1, "cuda": 8}
CHUNK = {"cpu": 1, "cuda": 10}
"""Generator steps between two looks at the clock; on CUDA each look waits for the device."""


class Noise:
    """A data set of noise: what the pixels are costs nothing here."""

    def __init__(self, channels: int, image_size: int) -> None:
        self.count, self.channels, self.image_size = 512, channels, image_size
        shape = (self.count, channels, image_size, image_size)
        self.images = np.random.Generator(np.random.Philox(0)).integers(0, 256, shape, dtype=np.uint8)

    def gather(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self.images[indices]


class Clock:
    """The speed of a loop that says when a generator step is done, and when it has run long enough."""

    def __init__(self, device: torch.device, batch_size: int, seconds: float) -> None:
        self.device, self.batch_size, self.enough = device, batch_size, seconds
        self.chunk, self.warm_up = CHUNK[device.type], WARM_UP[device.type]
        self.steps, self.chunks, self.last = 0, [], 0.0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.held = torch.cuda.memory_allocated(device)

    def step_done(self) -> bool:
        """Count a generator step; whether the loop may end."""
        self.steps += 1
        past = self.steps - self.warm_up
        if past < 0 or past % self.chunk:
            return False
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        if past:
            self.chunks.append((now - self.last) / self.chunk)
        self.last = now
        return len(self.chunks) >= 2 and sum(self.chunks) * self.chunk >= self.enough

    def result(self) -> dict[str, float]:
        """Images per second, milliseconds a generator step and, on CUDA, the most memory held."""
        seconds = statistics.median(self.chunks)
        found = {"images_per_second": N_CRITIC * self.batch_size / seconds, "milliseconds": seconds * 1e3}
        if self.device.type == "cuda":
            found["peak_gib"] = (torch.cuda.max_memory_allocated(self.device) - self.held) / 2**30
        return found


class ClockObserver:
    """Stops the training when the clock has seen enough."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def samples(self, step: int, images: NDArray[np.uint8]) -> None:
        pass

    def checkpoint(self, step: int, path: Path) -> None:
        pass

    def should_stop(self) -> bool:
        return self.clock.step_done()


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


def plain_loop(config: RetrainConfig, device: torch.device, clock: Clock, detached: bool) -> None:
    """The textbook loop."""
    batch = config.training.batch_size
    generator, critic = (network.to(device) for network in textbook_networks(config))
    generator_optimizer = torch.optim.RMSprop(generator.parameters(), lr=5e-5)
    critic_optimizer = torch.optim.RMSprop(critic.parameters(), lr=5e-5)
    images = torch.from_numpy(Noise(config.data.channels, config.data.image_size).images).to(device)
    done = False
    while not done:
        for _ in range(N_CRITIC):
            real = images[torch.randint(len(images), (batch,), device=device)].float() / 127.5 - 1
            fake = generator(torch.randn(batch, config.networks.latent_dim, 1, 1, device=device))
            if detached:
                fake = fake.detach()
            loss = critic(fake).mean() - critic(real).mean()
            critic_optimizer.zero_grad()
            loss.backward()
            critic_optimizer.step()
            for parameter in critic.parameters():
                parameter.data.clamp_(-0.01, 0.01)
        loss = -critic(generator(torch.randn(batch, config.networks.latent_dim, 1, 1, device=device))).mean()
        generator_optimizer.zero_grad()
        loss.backward()
        generator_optimizer.step()
        done = clock.step_done()


def our_loop(config: RetrainConfig, device: torch.device, clock: Clock, execution: Execution | None) -> None:
    """`train`, executed as chosen for this machine unless an execution is given."""
    images = Noise(config.data.channels, config.data.image_size)
    with tempfile.TemporaryDirectory() as folder:
        train(config, images, "noise", ClockObserver(clock), device, Path(folder), execution=execution)


def loops(config: RetrainConfig, device: torch.device) -> Iterator[tuple[str, Callable[[Clock], None]]]:
    """Every loop, by name."""
    yield "plain", lambda clock: plain_loop(config, device, clock, detached=False)
    yield "plain detached", lambda clock: plain_loop(config, device, clock, detached=True)
    if device.type == "cpu":
        yield "ours", lambda clock: our_loop(config, device, clock, None)
        return
    for precision in ("bf16", "float32"):
        ways = {"eager": (False, False), "compiled": (False, True), "captured": (True, False), "both": (True, True)}
        for way, (captured, compiled) in ways.items():
            if precision == "bf16" or captured:
                execution = Execution(precision, captured, compiled)
                yield f"ours {precision} {way}", lambda clock, chosen=execution: our_loop(config, device, clock, chosen)


def measure(config: RetrainConfig, device: torch.device, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Medians over all rounds, in which the loops alternate, and the ratios to both plain loops."""
    seen: dict[str, list[dict[str, float]]] = {}
    for _ in range(rounds):
        for name, loop in loops(config, device):
            clock = Clock(device, config.training.batch_size, seconds)
            loop(clock)
            seen.setdefault(name, []).append(clock.result())
            print(f"  {name}: {clock.result()['images_per_second']:,.0f} images/s", flush=True)
    found = {
        name: {key: statistics.median(result[key] for result in results) for key in results[0]}
        for name, results in seen.items()
    }
    for values in found.values():
        for plain in ("plain", "plain detached"):
            key = f"times_{plain.replace(' ', '_')}"
            values[key] = values["images_per_second"] / found[plain]["images_per_second"]
    return found


def work_of_a_step(config: RetrainConfig) -> tuple[float, float]:
    """Operations and least bytes of a generator step with its critic steps, counted on the CPU with a batch of 2."""
    small = config.model_copy(update={"training": config.training.model_copy(update={"batch_size": 2})})
    state, objective = new_state(small, torch.device("cpu")), objective_of(config.training)
    size, channels = config.data.image_size, config.data.channels
    real, noise = torch.rand(2, channels, size, size), torch.randn(2, config.networks.latent_dim)
    parameters = {name: sum(p.numel() for p in getattr(state, name).parameters()) for name in ("generator", "critic")}
    moved = {"generator": 0, "critic": 0}

    def count(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                moved[name] += inputs[0].numel() + output.numel()

        return hook

    for name in moved:
        for module in getattr(state, name).modules():
            module.register_forward_hook(count(name))
    steps: dict[str, Callable[[], object]] = {
        "critic": lambda: critic_step(state, objective, real, noise, torch.rand(2)),
        "generator": lambda: generator_step(state, objective, noise),
    }
    operations = elements = 0.0
    for name, step in steps.items():
        moved.update(generator=0, critic=0)
        with FlopCounterMode(display=False) as counter:
            step()
        times = N_CRITIC if name == "critic" else 1
        operations += times * counter.get_total_flops()
        # Forward: inputs and outputs. Backward the same with gradients, and once more for a weight's gradient.
        backward = {"critic": (0, 2), "generator": (2, 1)}[name]
        elements += times * (moved["generator"] * (1 + backward[0]) + moved["critic"] * (1 + backward[1]))
    scale = config.training.batch_size / 2
    updates = 20 * (N_CRITIC * parameters["critic"] + parameters["generator"])  # float32: w, g, v read; w, v written
    return operations * scale, 2 * elements * scale + updates


def ceilings(device: torch.device) -> tuple[float, float]:
    """Operations per second of a bf16 matrix product, bytes per second of a copy (read and written)."""

    def seconds(work: Callable[[], object]) -> float:
        times = []
        for _ in range(13):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work()
            end.record()
            torch.cuda.synchronize(device)
            times.append(start.elapsed_time(end) / 1e3)
        return statistics.median(times[3:])

    first, second = (torch.randn(8192, 8192, device=device, dtype=torch.bfloat16) for _ in range(2))
    product = seconds(lambda: first @ second)
    source = torch.randn(2**29, device=device)
    target = torch.empty_like(source)
    copy = seconds(lambda: target.copy_(source))
    return 2 * 8192**3 / product, 2 * 4 * 2**29 / copy


def configurations() -> dict[str, RetrainConfig]:
    """What is measured."""

    def sized(config: RetrainConfig, batch_size: int, precision: str = "auto") -> RetrainConfig:
        values: dict[str, Any] = config.model_dump()
        values["training"] |= {
            "generator_steps": 1_000_000, "batch_size": batch_size, "n_critic": N_CRITIC, "precision": precision,
            "critic_schedule": "constant", "log_every": 10, "sample_every": 1_000_000, "sample_count": 1,
            "checkpoint_every_steps": 1_000_000, "checkpoint_every_seconds": 1e6,
        }  # fmt: skip
        return parse_config(values)

    celeba = parse_config({"data": {"source": "celeba", "image_size": 64, "channels": 3}, "networks": {"width": 64}})
    return {
        "digits": sized(load_config("digits", DIGITS), 64),
        "64x64": sized(celeba, 64),
        "64x64-512": sized(celeba, 512),
    }


def table(report: dict[str, Any]) -> str:
    """The figures for a person."""
    lines = [f"{report['device']}, torch {report['torch']}, {report['date']}"]
    if "matrix_teraflops" in report:
        lines[0] += f"; ceilings: {report['matrix_teraflops']:.0f} TFLOP/s in bf16, {report['copy_terabytes']:.2f} TB/s"
    for case, loops_of_it in report["cases"].items():
        lines.append(f"\n{case:27} {'images/s':>9} {'ms/step':>8} {'× plain':>8} {'× det.':>7}")
        for name, values in loops_of_it.items():
            line = f"{name:27} {values['images_per_second']:9,.0f} {values['milliseconds']:8.2f}"
            line += f" {values['times_plain']:8.2f} {values['times_plain_detached']:7.2f}"
            if "peak_gib" in values:
                line += f"  {values['peak_gib']:6.2f} GiB  {values['of_matrix']:6.1%} {values['of_copy']:6.1%}"
            lines.append(line)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Training throughput, this loop against a plain one.")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--precision", choices=["auto", "float32", "bf16"], default="auto", help="of this loop, on a CPU"
    )
    parser.add_argument("--rounds", type=int, help="default: 3 on a CPU, 1 on CUDA")
    parser.add_argument("--seconds", type=float, default=1.5, help="that a loop is timed for in a round, at least")
    parser.add_argument("--only", choices=sorted(configurations()), action="append")
    options = parser.parse_args()
    device = resolve_device(options.device)
    on_cuda = device.type == "cuda"
    report: dict[str, Any] = {
        "device": device_name(device),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
        "cases": {},
    }
    if on_cuda:
        products, copies = ceilings(device)
        torch.cuda.empty_cache()
        report |= {"matrix_teraflops": products / 1e12, "copy_terabytes": copies / 1e12}
    for case, config in configurations().items():
        if case not in (options.only or [case]) or (case == "64x64-512" and not on_cuda):
            continue
        training = config.training.model_copy(update={"precision": options.precision})
        chosen = config.model_copy(update={"training": training})
        print(case, flush=True)
        found = measure(chosen, device, options.rounds or (1 if on_cuda else 3), options.seconds)
        if on_cuda:
            operations, moved = work_of_a_step(config)
            for values in found.values():
                seconds = values["milliseconds"] / 1e3
                values |= {"of_matrix": operations / seconds / products, "of_copy": moved / seconds / copies}
        report["cases"][case] = found
    print(json.dumps(report, indent=2))
    print(table(report))


if __name__ == "__main__":
    main()
