"""Claim 1: mode collapse."""

from __future__ import annotations

from typing import Any

import numpy as np

from wgan.evaluation.metrics.modes import PACGAN_SAMPLES, modes_captured, reverse_kl
from wgan.pixels import image_grid
from wgan.study.baselines import in_the_plane, on_images
from wgan.study.digits import Digits
from wgan.study.drawing import picture
from wgan.study.finished_trials import FinishedTrials
from wgan.study.mixtures import PUBLISHED_GAN, MixtureName, mixture
from wgan.study.records import Chart, Claim, ClaimResult, Panel, Table
from wgan.study.sizes import StudySize
from wgan.study.stacked import CHANNELS, MODES, PUBLISHED, modes_of
from wgan.study.trials import ImageTrial, PointTrial, TrialResult
from wgan.study.variants import LABELS, Stopwatch, bars, plus_minus, point_trial, run_claim, scatter

CLAIM = Claim(
    number=1,
    title="Mode collapse",
    source="Sections 1 and 4.3, figure 7; measures of VEEGAN and PacGAN",
    statement="“In no experiment did we see evidence of mode collapse for the WGAN algorithm.” GANs drop modes.",
    criterion="WGAN covers every mode of the ring and of the grid on every seed, and on each of the three data sets "
    "its mean reverse KL is below the published GAN's.",
)
LATENT_DIM = 64
FAST_GAN_LR = 1e-3
NAMES: dict[MixtureName, str] = {"ring": "8-Gaussian ring", "grid": "25-Gaussian grid"}


def reproduce(size: StudySize, seed: int, kept: FinishedTrials, digits: Digits) -> ClaimResult:
    """Modes covered, share of high-quality samples and reverse KL of GAN, WGAN and WGAN-GP."""
    watch = Stopwatch()
    ways = _ways(size)
    points = [
        point_trial(f"{label} {place} seed {seed + run}", size, place, in_the_plane(way, size, seed + run, **changes))
        for place in NAMES
        for label, way, changes in ways
        for run in range(size.seeds)
    ]
    images = [_stacked_trial(way, size, seed + run, digits) for way in LABELS for run in range(size.stacked_seeds)]
    results = run_claim(CLAIM, [*images, *points], kept)  # the longest first
    stacked, plane = results[: len(images)], results[len(images) :]
    in_plane = {
        (place, label): [r for r in plane if r.trial.name.startswith(f"{label} {place} ") and not r.diverged]
        for place in NAMES
        for label, _, _ in ways
    }
    judged = [judge_stacked(result, digits) for result in stacked]
    by_way = {
        label: judged[position * size.stacked_seeds : (position + 1) * size.stacked_seeds]
        for position, label in enumerate(LABELS.values())
    }
    rows = [_plane_row(NAMES[place], label, runs) for (place, label), runs in in_plane.items()]
    rows += [
        (
            f"stacked {digits.name}",
            label,
            f"{plus_minus([modes for modes, _ in runs], 0)} of 1000",
            "–",
            plus_minus([kl for _, kl in runs]),
            "–",
        )
        for label, runs in by_way.items()
    ]
    rows += published_rows(size, digits.name)
    all_covered = all(
        runs and all(run.last()["modes"] == len(mixture(place).centres) for run in runs)
        for (place, label), runs in in_plane.items()
        if label == "WGAN"
    )
    kl: dict[tuple[str, str], float] = {
        (place, label): _mean([run.last()["reverse_kl"] for run in runs]) for (place, label), runs in in_plane.items()
    }
    kl |= {("stacked", label): _mean([value for _, value in runs]) for label, runs in by_way.items()}
    less = {place: kl[place, "WGAN"] < kl[place, "GAN"] for place in ("ring", "grid", "stacked")}
    fast = kl["grid", "GAN, lr 1e-3"]
    finding = (
        f"WGAN {'covers' if all_covered else 'does not cover'} every mode of ring and grid on every seed. Reverse KL, "
        f"WGAN against GAN: ring {kl['ring', 'WGAN']:.2f} and {kl['ring', 'GAN']:.2f}, grid {kl['grid', 'WGAN']:.2f} "
        f"and {kl['grid', 'GAN']:.2f}, stacked digits {kl['stacked', 'WGAN']:.2f} and {kl['stacked', 'GAN']:.2f}. "
        f"A GAN with five times the published rate reaches {fast:.2f} on the grid."
    )
    accuracy = digits.extractor.accuracy
    assert accuracy is not None  # it is a classifier
    falling = "; the rate of both Wasserstein GANs falls to 0" if size.falling else ""
    return watch.result(
        CLAIM,
        results,
        protocol=f"Ring and grid (modes' deviation {size.widening:g} times the published one): perceptrons of three "
        f"hidden layers of {size.point_width}, batch {size.point_batch}, {size.point_steps:,} generator steps, "
        f"{size.seeds} seeds, {size.point_samples:,} samples; {size.wgan_critic_steps} critic steps for WGAN, five "
        f"for WGAN-GP, one for GAN{falling}. Stacked {digits.name}: DCGAN of width "
        f"{size.image_width} at 32×32, {size.stacked_steps:,} generator steps, {size.stacked_count:,} triples, "
        f"{size.stacked_seeds} seed(s), {size.stacked_samples:,} samples, each digit classified by a network with a "
        f"held-out accuracy of {accuracy:.1%}; a mode counts if hit once"
        + (
            "."
            if size.stacked_samples >= PACGAN_SAMPLES
            else "; with so few samples real triples do not hit all 1000 either."
        ),
        table=Table(columns=("data", "objective", "modes", "high quality", "reverse KL", "exact W₁"), rows=tuple(rows)),
        finding=finding,
        holds=all_covered and all(less.values()),
        charts=[_clouds(size, in_plane), _stacked_chart(stacked, size, by_way)],
    )


def published_rows(size: StudySize, digits: str) -> list[tuple[str, ...]]:
    """Rows of the table with published figures, where data and measures are those of the publication."""
    rows: list[tuple[str, ...]] = []
    if size.widening == 1:
        modes, good, kl = (PUBLISHED_GAN[name] for name in ("modes", "high_quality", "reverse_kl"))
        rows.append((NAMES["grid"], "GAN, published", f"{modes:.1f} of 25", f"{100 * good:.0f} %", f"{kl:.2f}", "–"))
    if size.stacked_samples == PACGAN_SAMPLES and digits == "mnist":
        rows += [
            (f"stacked {digits}", label, f"{modes:.0f} of 1000", "–", f"{kl:.2f}", "–")
            for label, modes, kl in PUBLISHED
        ]
    return rows


def _ways(size: StudySize) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Label, objective and settings: the published GAN, the same at five times the rate, and both Wasserstein GANs."""
    falling = {"lr_schedule": "linear"} if size.falling else {}
    return (
        ("GAN", "gan", {}),
        ("GAN, lr 1e-3", "gan", {"lr": FAST_GAN_LR}),
        ("WGAN", "wgan", {"n_critic": size.wgan_critic_steps, "lr": size.wgan_lr, **falling}),
        ("WGAN-GP", "wgan-gp", falling),
    )


def judge_stacked(result: TrialResult, digits: Digits) -> tuple[float, float]:
    """Modes hit at least once, of 1000, and reverse KL (nats) of a trial's triples; the worst case if it diverged."""
    if result.diverged:
        return 0.0, float(np.log(MODES))
    images = result.last_samples()
    grey = np.asarray(images).reshape(-1, 1, *images.shape[2:])
    classes = digits.features(grey.astype(np.uint8)).classes
    assert classes is not None
    modes, shares = modes_of(classes.reshape(-1, CHANNELS)), np.full(MODES, 1 / MODES)
    return float(modes_captured(modes, shares, captured_share=0.0)), reverse_kl(modes, shares)


def _stacked_trial(way: str, size: StudySize, seed: int, digits: Digits) -> ImageTrial:
    return ImageTrial(
        name=f"{LABELS[way]} stacked seed {seed}",
        training=on_images(way, size.stacked_steps, seed),
        folder=digits.folder,
        architecture="dcgan",
        width=size.image_width,
        latent_dim=LATENT_DIM,
        samples=size.stacked_samples,
        measure_every=size.stacked_steps,
        stacked=size.stacked_count,
    )


def _plane_row(place: str, label: str, runs: list[TrialResult]) -> tuple[str, ...]:
    if not runs:
        return (place, label, "diverged", "–", "–", "–")
    last = [run.last() for run in runs]
    trial = runs[0].trial
    assert isinstance(trial, PointTrial)
    return (
        place,
        label,
        f"{plus_minus([values['modes'] for values in last], 1)} of {len(mixture(trial.mixture).centres)}",
        f"{100 * _mean([values['high_quality'] for values in last]):.0f} %",
        plus_minus([values["reverse_kl"] for values in last]),
        plus_minus([values["distance"] for values in last]),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("inf")


def _clouds(size: StudySize, runs: dict[tuple[MixtureName, str], list[TrialResult]]) -> Chart:
    panels = []
    for (_, label), results in runs.items():
        if not results:
            continue
        trial = results[0].trial
        assert isinstance(trial, PointTrial)
        real = mixture(trial.mixture, trial.widening).draw(400, np.random.Generator(np.random.Philox(0)))
        worst = max(results, key=lambda result: result.last()["reverse_kl"])
        modes = worst.last()["modes"]
        panels.append(scatter(f"{label}: {modes:.0f} modes", real, np.asarray(worst.last_samples())))
    return Chart(
        name="claim-1-points",
        caption=f"Generated points over data after {size.point_steps:,} generator steps: of each objective the seed "
        "with the highest reverse KL.",
        panels=tuple(panels),
        columns=len({label for _, label in runs}),
    )


def _stacked_chart(results: list[TrialResult], size: StudySize, by_way: dict[str, list[tuple[float, float]]]) -> Chart:
    panels = [
        Panel(
            title=LABELS[result.trial.training.objective],
            kind="picture",
            png=picture(image_grid(np.asarray(result.last_samples())[:48].astype(np.uint8), columns=8, scale=2)),
        )
        for result in results[:: size.stacked_seeds]
        if not result.diverged
    ]
    modes = [[value for value, _ in runs] for runs in by_way.values()]
    panels.append(Panel(title="Modes hit, of 1000", kind="bars", series=(bars("modes", modes),), ticks=tuple(by_way)))
    return Chart(
        name="claim-1-stacked",
        caption=f"Stacked digits after {size.stacked_steps:,} generator steps.",
        panels=tuple(panels),
        columns=len(panels),
    )
