"""A small convolutional classifier of a labelled data set: its last hidden layer is the feature space of `classifier`.

Inception features are made for photographs and need a download. A classifier trained on the data itself separates what
matters in it, and identifies the mode of each generated image. It is part of the protocol, so it is trained once per
data set, the same way every time: float32, all random streams seeded, held-out accuracy recorded. Training shifts each
image at random. Without shifts the classifier overfits small data sets: the features collapse to a point per class, and
no generated image is near enough to a real one to count (coverage of a digits generator 0.05; with shifts 0.13, and
held-out accuracy 1 percent higher).

Larger images are averaged down to 32×32. `stacked-mnist` is judged channel by channel with one classifier of
ten digits (Metz et al. 2017), whose three answers name one of a thousand modes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from wgan.evaluation.extractors.features import variance_scale
from wgan.evaluation.reference import RealImages

INPUT_SIZE = 32
SCALE_IMAGES = 4096
"""Maximum number of real images used to compute the scale of the features."""


@dataclass(frozen=True)
class ClassifierDefinition:
    """Everything that determines the trained weights, except the images."""

    channels: int
    """Colour channels of one input; 1 where each channel of an image is an input of its own."""
    channelwise: bool
    labels: tuple[int, ...]
    """The labels that occur, sorted; class k of the network is `labels[k]`."""
    widths: tuple[int, int, int] = (16, 32, 64)
    features: int = 64
    images_seen: int = 98_304
    least_steps: int = 300
    batch_size: int = 128
    lr: float = 4e-3
    weight_decay: float = 1e-2
    most_shift: int = 3
    """Largest shift in each direction, in pixels of the 32×32 image."""
    held_out_share: float = 1 / 6
    held_out_most: int = 10_000
    seed: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the definition."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class Classifier(nn.Module):
    """Images (B, C, 32, 32) in [-1, 1] → penultimate activations (B, features); `head` turns those into logits."""

    def __init__(self, definition: ClassifierDefinition) -> None:
        super().__init__()
        first, second, third = definition.widths
        self.body = nn.Sequential(
            nn.Conv2d(definition.channels, first, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(second),
            nn.ReLU(),
            nn.Conv2d(second, third, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(third),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(third * (INPUT_SIZE // 8) ** 2, definition.features, bias=False),
            nn.BatchNorm1d(definition.features),
            nn.ReLU(),
        )
        self.head = nn.Linear(definition.features, len(definition.labels))

    def forward(self, images: Tensor) -> Tensor:
        """Penultimate activations (B, features), float32, at least 0."""
        activations: Tensor = self.body(images)
        return activations


@dataclass(frozen=True)
class TrainedClassifier:
    """A network in evaluation mode, with its held-out accuracy and the factor that scales its features."""

    definition: ClassifierDefinition
    network: Classifier
    accuracy: float
    scale: float


def define_classifier(images: RealImages) -> ClassifierDefinition:
    """The classifier for a labelled data set. Raises `ValueError` when it has no labels."""
    if images.labels is None:
        raise ValueError("a data set without labels has no classifier")
    channelwise = images.ref.source == "stacked-mnist"
    labels = channel_labels(images.labels, images.channels) if channelwise else images.labels
    present = tuple(int(label) for label in np.unique(labels))
    return ClassifierDefinition(1 if channelwise else images.channels, channelwise, present)


def channel_labels(labels: NDArray[np.int64], channels: int) -> NDArray[np.int64]:
    """Digits (N, channels) of the labels 100·a + 10·b + c (N,) of `stacked-mnist`."""
    return labels[:, None] // 10 ** np.arange(channels - 1, -1, -1) % 10


def to_input(images: NDArray[np.uint8], definition: ClassifierDefinition, device: str) -> Tensor:
    """uint8 (B, C, H, W) → float32 (B, C, 32, 32) in [-1, 1]; (B·C, 1, 32, 32) where each channel is an input."""
    tensor = torch.from_numpy(images).to(device, torch.float32).div_(127.5).sub_(1.0)
    if images.shape[-1] != INPUT_SIZE:
        tensor = functional.adaptive_avg_pool2d(tensor, INPUT_SIZE)
    return tensor.flatten(0, 1).unsqueeze(1) if definition.channelwise else tensor


def train_classifier(
    images: RealImages,
    definition: ClassifierDefinition,
    device: str,
    advance: Callable[[int, int], None] = lambda step, steps: None,
) -> TrainedClassifier:
    """Train on most of the images and measure on the rest; `advance(step, steps)` is called after every step.

    On the CPU it runs on one thread, so that the weights do not depend on the number of cores and busy cores do not
    slow it down. One thread is fast enough for a network this small.
    """
    with _one_thread():
        return _train(images, definition, device, advance)


def training_steps(count: int | None, definition: ClassifierDefinition) -> int:
    """Steps of the training on a data set of `count` images; an upper bound if the count is unknown."""
    return _steps(definition.images_seen if count is None else count - _held_out(count, definition), definition)


def _steps(trained_on: int, definition: ClassifierDefinition) -> int:
    return max(definition.least_steps, min(definition.images_seen, 4 * trained_on) // definition.batch_size)


def _train(
    images: RealImages, definition: ClassifierDefinition, device: str, advance: Callable[[int, int], None]
) -> TrainedClassifier:
    network = _initial_network(definition).to(device)
    train, held_out = _split(images.count, definition)
    steps = _steps(len(train), definition)
    optimizer = torch.optim.AdamW(network.parameters(), lr=definition.lr, weight_decay=definition.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=definition.lr, total_steps=steps)
    draw = np.random.Generator(np.random.Philox(definition.seed))
    network.train()
    for step in range(steps):
        batch = draw.choice(train, size=definition.batch_size)
        inputs = shifted(to_input(images.gather(batch), definition, device), definition.most_shift, draw)
        logits = network.head(network(inputs))
        loss = functional.cross_entropy(logits, _targets(images, batch, definition).to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        advance(step + 1, steps)
    network.eval().requires_grad_(False)
    # Evenly spaced over the data's order, whatever its size.
    spread = np.linspace(0, images.count - 1, min(images.count, SCALE_IMAGES)).astype(np.int64)
    vectors, _ = classify(network, definition, images, spread, device)
    _, classes = classify(network, definition, images, held_out, device)
    right = classes == _targets(images, held_out, definition).numpy()
    return TrainedClassifier(definition, network, float(right.mean()), variance_scale(vectors))


def classify(
    network: Classifier, definition: ClassifierDefinition, images: RealImages, indices: NDArray[np.int64], device: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Activations (N, features) and classes (N,) of real images; N·C of each where a channel is an input of its own."""
    parts = [
        activations_and_classes(network, to_input(images.gather(part), definition, device))
        for part in np.array_split(indices, -(-len(indices) // 256))
    ]
    return np.concatenate([vectors for vectors, _ in parts]), np.concatenate([classes for _, classes in parts])


@torch.inference_mode()
def activations_and_classes(network: Classifier, inputs: Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Activations (B, features) and the likeliest class (B,) of prepared inputs."""
    activations = network(inputs)
    return activations.cpu().numpy(), network.head(activations).argmax(dim=1).cpu().numpy()


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def shifted(inputs: Tensor, most: int, draw: np.random.Generator) -> Tensor:
    """Every image (B, C, H, W) shifted by its own random whole number of pixels, padded with its border."""
    padded = functional.pad(inputs, (most,) * 4, mode="replicate")
    offsets = torch.from_numpy(draw.integers(0, 2 * most + 1, size=(2, len(inputs), 1, 1))).to(inputs.device)
    rows = offsets[0] + torch.arange(inputs.shape[2], device=inputs.device)[:, None]
    columns = offsets[1] + torch.arange(inputs.shape[3], device=inputs.device)[None, :]
    images = torch.arange(len(inputs), device=inputs.device)[:, None, None]
    # Indexing by (image, row, column) puts the channels last.
    return padded.permute(0, 2, 3, 1)[images, rows, columns].permute(0, 3, 1, 2).contiguous()


def _initial_network(definition: ClassifierDefinition) -> Classifier:
    # The layers draw their initial weights from torch's global stream, so it is seeded here and restored.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(definition.seed)
        return Classifier(definition)


def _split(count: int, definition: ClassifierDefinition) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.random.Generator(np.random.Philox(definition.seed)).permutation(count)
    held_out = _held_out(count, definition)
    return order[held_out:], order[:held_out]


def _held_out(count: int, definition: ClassifierDefinition) -> int:
    return max(1, min(round(count * definition.held_out_share), definition.held_out_most))


def _targets(images: RealImages, indices: NDArray[np.int64], definition: ClassifierDefinition) -> Tensor:
    assert images.labels is not None
    labels = images.labels[indices]
    if definition.channelwise:
        labels = channel_labels(labels, images.channels).reshape(-1)
    return torch.from_numpy(np.searchsorted(definition.labels, labels))
