"""Claim 2: the loss is meaningful."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from wgan.study.baselines import PUBLISHED, SCHEDULES, on_images
from wgan.study.digits import Digits
from wgan.study.finished_trials import FinishedTrials
from wgan.study.records import Chart, Claim, ClaimResult, Panel, Series, Table
from wgan.study.sizes import StudySize
from wgan.study.trials import ImageTrial, TrialResult
from wgan.study.variants import LABELS, Stopwatch, median_filtered, plus_minus, run_claim, thinned

CLAIM = Claim(
    number=2,
    title="The estimate is meaningful",
    source="Section 4.2, figures 3 and 4",
    statement="The Wasserstein estimate falls as samples get better; the GAN's loss does not correlate with them.",
    criterion="Over training, the rank correlation of the median-filtered estimate with the Fréchet distance is at "
    "least 0.5 in the mean over seeds, and that of the GAN's generator loss is at least 0.3 lower.",
)
NEEDED, LEAD = 0.5, 0.3
LATENT_DIM = 64
WATCHED = {"wgan": "wasserstein_estimate", "gan": "generator_loss"}
SEEDS = 2
"""Minimum number of seeds: one run's correlation proves little."""


def reproduce(size: StudySize, seed: int, kept: FinishedTrials, digits: Digits) -> ClaimResult:
    """Train WGAN and GAN on digits and compare the loss each monitors with the Fréchet distance during training."""
    watch = Stopwatch()
    seeds = range(seed, seed + max(SEEDS, size.image_seeds))
    trials = [
        ImageTrial(
            name=f"{LABELS[way]} digits seed {number}",
            training=on_images(way, size.image_steps, number, **PUBLISHED.get(way, {})),
            folder=digits.folder,
            architecture="dcgan",
            width=size.image_width,
            latent_dim=LATENT_DIM,
            samples=size.image_samples,
            measure_every=max(1, size.image_steps // size.measurements),
        )
        for way in WATCHED
        for number in seeds
    ]
    results = run_claim(CLAIM, trials, kept)
    distances = [[digits.frechet(images.astype(np.uint8)) for images in result.samples.values()] for result in results]
    correlations: dict[str, list[float]] = {way: [] for way in WATCHED}
    for result, frechet in zip(results, distances, strict=True):
        way = result.trial.training.objective
        correlations[way].append(0.0 if result.diverged else watched_correlation(result, WATCHED[way], frechet))
    rows = [
        (
            LABELS[way],
            WATCHED[way].replace("_", " "),
            ", ".join(f"{value:+.2f}" for value in correlations[way]),
            f"{np.mean(correlations[way]):+.2f}",
            plus_minus([d[-1] for d, r in zip(distances, results, strict=True) if _way(r) == way and d], 1),
        )
        for way in WATCHED
    ]
    ours, theirs = float(np.mean(correlations["wgan"])), float(np.mean(correlations["gan"]))
    return watch.result(
        CLAIM,
        results,
        protocol=f"{digits.name} at 32×32, DCGAN of width {size.image_width}, {size.image_steps:,} generator steps, "
        f"{len(seeds)} seeds; every {trials[0].measure_every} steps the Fréchet distance of {size.image_samples:,} "
        "samples in the digits classifier's features (100: the average feature vector alone). Both losses are "
        "median-filtered over 101 steps, as in the paper's figures. Spearman's rank correlation. " + SCHEDULES,
        table=Table(
            columns=("objective", "watched", "ρ by seed", "mean ρ", "Fréchet distance at the end"), rows=tuple(rows)
        ),
        finding=f"The Wasserstein estimate correlates with the Fréchet distance at ρ = {ours:+.2f}, the GAN's "
        f"generator loss at {theirs:+.2f}.",
        holds=ours >= NEEDED and ours - theirs >= LEAD,
        charts=[_chart(results, distances)],
        curves=[{"frechet": frechet} for frechet in distances],
    )


def watched_correlation(result: TrialResult, watched: str, frechet: list[float]) -> float:
    """Spearman's ρ, from −1 to 1, of the filtered history at the measured steps with the distances; 0 if constant."""
    at = np.array(sorted(result.samples)) - 1
    filtered = median_filtered(result.history[watched])[at]
    if np.ptp(filtered) == 0 or np.ptp(frechet) == 0:
        return 0.0
    return float(spearmanr(filtered, frechet).statistic)


def _way(result: TrialResult) -> str:
    return result.trial.training.objective


def _chart(results: list[TrialResult], distances: list[list[float]]) -> Chart:
    panels = []
    for way, watched in WATCHED.items():
        index = next(place for place, result in enumerate(results) if _way(result) == way)
        result, frechet = results[index], distances[index]
        if result.diverged:
            continue
        raw = result.history[watched].astype(np.float64)
        steps = tuple(map(float, sorted(result.samples)))
        name = "Wasserstein estimate" if way == "wgan" else "generator loss"
        panels += [
            Panel(
                title=f"{LABELS[way]}: {name}",
                kind="line",
                series=(thinned("each step", raw), thinned("running median", median_filtered(raw))),
                x_label="generator step",
            ),
            Panel(
                title=f"{LABELS[way]}: Fréchet distance",
                kind="line",
                series=(Series(label="Fréchet distance", x=steps, y=tuple(frechet)),),
                x_label="generator step",
                markers=True,
            ),
        ]
    return Chart(
        name="claim-2-curves",
        caption="What each training watches, and beside it the distance of its samples to the data (first seed).",
        panels=tuple(panels),
        columns=2,
    )
