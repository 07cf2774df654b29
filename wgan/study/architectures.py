"""Claim 6: WGAN trains generators that a GAN does not."""

from __future__ import annotations

import numpy as np

from wgan.pixels import image_grid
from wgan.study.baselines import PUBLISHED, SCHEDULES, on_images
from wgan.study.digits import Digits
from wgan.study.drawing import picture
from wgan.study.finished_trials import FinishedTrials
from wgan.study.records import Chart, Claim, ClaimResult, Panel, Table
from wgan.study.sizes import StudySize
from wgan.study.trials import Architecture, ImageTrial
from wgan.study.variants import LABELS, Stopwatch, bars, plus_minus, run_claim

CLAIM = Claim(
    number=6,
    title="Robust to the generator's architecture",
    source="Section 4.3, figures 5 to 7",
    statement="WGAN still learns with a generator without batch norm and of constant width, and with a perceptron of "
    "four layers of 512; the standard GAN fails with the first and is worse, with mode collapse, with the second.",
    criterion="With both weakened generators WGAN's mean Fréchet distance is smaller than the GAN's and below 100, "
    "where a generator stands that makes the average feature vector alone.",
)
NAMES: dict[Architecture, str] = {
    "dcgan": "DCGAN",
    "plain": "no batch norm, constant width",
    "mlp": "MLP, 4 × 512",
}
WEAKENED: tuple[Architecture, ...] = ("plain", "mlp")
LATENT_DIM = 64
USELESS = 100.0


def reproduce(size: StudySize, seed: int, kept: FinishedTrials, digits: Digits) -> ClaimResult:
    """Three generators against the DCGAN critic, each trained as GAN and as WGAN on digits."""
    watch = Stopwatch()
    keys = [
        (architecture, way, seed + run)
        for architecture in NAMES
        for way in ("wgan", "gan")
        for run in range(size.image_seeds)
    ]
    trials = [
        ImageTrial(
            name=f"{NAMES[architecture]} {LABELS[way]} seed {number}",
            training=on_images(way, size.plain_steps, number, **PUBLISHED.get(way, {})),
            folder=digits.folder,
            architecture=architecture,
            width=size.image_width,
            latent_dim=LATENT_DIM,
            samples=size.image_samples,
            measure_every=size.plain_steps,
            plain_width=size.plain_width,
        )
        for architecture, way, number in keys
    ]
    results = run_claim(CLAIM, trials, kept)
    distances: dict[tuple[Architecture, str], list[float]] = {}
    panels = []
    for (architecture, way, number), result in zip(keys, results, strict=True):
        images = None if result.diverged else np.asarray(result.last_samples()).astype(np.uint8)
        distance = float("inf") if images is None else digits.frechet(images)
        distances.setdefault((architecture, way), []).append(distance)
        if number == seed and images is not None:
            title = f"{LABELS[way]}, {NAMES[architecture]}: {distance:.0f}"
            grid = picture(image_grid(images[:40], columns=8, scale=2))
            panels.append(Panel(title=title, kind="picture", png=grid))
    means = {key: float(np.mean(values)) for key, values in distances.items()}
    rows = [
        (
            NAMES[architecture],
            plus_minus(distances[architecture, "wgan"], 1),
            plus_minus(distances[architecture, "gan"], 1),
        )
        for architecture in NAMES
    ]
    pairs = [(means[architecture, "wgan"], means[architecture, "gan"]) for architecture in WEAKENED]
    order = [panel for way in ("WGAN,", "GAN,") for panel in panels if panel.title.startswith(way)]
    finding = "; ".join(
        f"{NAMES[architecture]}: WGAN {ours:.1f}, GAN {theirs:.1f}"
        for architecture, (ours, theirs) in zip(WEAKENED, pairs, strict=True)
    )
    return watch.result(
        CLAIM,
        results,
        protocol=f"{digits.name} at 32×32, the DCGAN critic of width {size.image_width} against three generators, "
        f"{size.plain_steps:,} generator steps of 64 images, {size.image_seeds} seed(s). Fréchet distance of "
        f"{size.image_samples:,} samples in the digits classifier's features. The generator without batch norm has "
        f"width {size.plain_width} throughout. " + SCHEDULES,
        table=Table(columns=("generator", "Fréchet distance, WGAN", "Fréchet distance, GAN"), rows=tuple(rows)),
        finding=f"Fréchet distance with {finding}.",
        holds=all(ours < theirs and ours < USELESS for ours, theirs in pairs),
        charts=[
            Chart(
                name="claim-6-samples",
                caption="Samples of the first seed, with their Fréchet distance; above WGAN, below GAN.",
                panels=tuple(order),
                columns=3,
            ),
            _bars(means, distances),
        ],
        curves=[
            {"frechet": [_at(distances, key, seed)]} if not r.diverged else {}
            for key, r in zip(keys, results, strict=True)
        ],
    )


def _at(distances: dict[tuple[Architecture, str], list[float]], key: tuple[Architecture, str, int], seed: int) -> float:
    architecture, way, number = key
    return distances[architecture, way][number - seed]


def _bars(
    means: dict[tuple[Architecture, str], float], distances: dict[tuple[Architecture, str], list[float]]
) -> Chart:
    finite = {key: [value for value in values if np.isfinite(value)] or [USELESS] for key, values in distances.items()}
    return Chart(
        name="claim-6-distances",
        caption="Fréchet distance by generator: shorter is better.",
        panels=(
            Panel(
                title="Fréchet distance",
                kind="bars",
                series=tuple(
                    bars(LABELS[way], [finite[architecture, way] for architecture in NAMES]) for way in ("wgan", "gan")
                ),
                ticks=tuple(NAMES.values()),
            ),
        ),
        columns=1,
    )
