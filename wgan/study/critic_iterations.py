"""Claim 4: a critic trained nearer to optimality gives a better generator."""

from __future__ import annotations

import numpy as np

from wgan.study.baselines import in_the_plane
from wgan.study.finished_trials import FinishedTrials
from wgan.study.mixtures import mixture
from wgan.study.records import Chart, Claim, ClaimResult, Panel, Table
from wgan.study.sizes import StudySize
from wgan.study.trials import PointTrial, TrialResult
from wgan.study.variants import Stopwatch, banded, bars, plus_minus, point_trial, run_claim, scatter

CLAIM = Claim(
    number=4,
    title="Train the critic towards optimality",
    source="Section 3",
    statement="“We can (and should) train the critic till optimality. The more we train the critic, the more reliable "
    "gradient of the Wasserstein we get.”",
    criterion="After the same number of generator steps on the 25-Gaussian grid, the mean exact Wasserstein distance "
    "over seeds is smaller with 5 critic steps than with 1, and not larger with 25 than with 5.",
)
CRITIC_STEPS = (25, 5, 1)


def reproduce(size: StudySize, seed: int, kept: FinishedTrials) -> ClaimResult:
    """WGAN on the grid with 1, 5 and 25 critic steps per generator step."""
    watch = Stopwatch()
    shorter = size.model_copy(update={"point_steps": max(size.measurements, size.point_steps // 2)})
    trials = [
        point_trial(
            f"n_critic {count} seed {seed + run}",
            shorter,
            "grid",
            in_the_plane("wgan", shorter, seed + run, n_critic=count),
        )
        for count in CRITIC_STEPS
        for run in range(size.seeds)
    ]
    results = run_claim(CLAIM, trials, kept)
    by_count = {
        count: [r for r in results if r.trial.training.n_critic == count and not r.diverged]
        for count in sorted(CRITIC_STEPS)
    }
    distance = {count: [run.last()["distance"] for run in runs] or [float("inf")] for count, runs in by_count.items()}
    means = {count: float(np.mean(values)) for count, values in distance.items()}
    rows = [
        (
            str(count),
            plus_minus(distance[count], 3),
            plus_minus([run.last()["modes"] for run in runs], 1),
            f"{100 * float(np.mean([run.last()['high_quality'] for run in runs])):.0f} %",
            plus_minus([run.last()["reverse_kl"] for run in runs], 3),
            f"{np.mean([run.cpu_seconds for run in runs]):.0f}",
        )
        for count, runs in by_count.items()
        if runs
    ]
    return watch.result(
        CLAIM,
        results,
        protocol=f"25-Gaussian grid, Algorithm 1 with {shorter.point_steps:,} generator steps, {size.seeds} seeds, "
        "everything but n_critic as in claim 1; so 25 critic steps also cost most.",
        table=Table(
            columns=("n_critic", "exact W₁", "modes of 25", "high quality", "reverse KL", "CPU seconds"),
            rows=tuple(rows),
        ),
        finding="Mean exact W₁ at the end: "
        + ", ".join(f"{means[count]:.3f} with n_critic {count}" for count in means)
        + ".",
        holds=means[5] < means[1] and means[25] <= means[5],
        charts=[_chart(by_count)],
    )


def _chart(by_count: dict[int, list[TrialResult]]) -> Chart:
    there = {count: runs for count, runs in by_count.items() if runs}
    panels = [
        Panel(
            title="Exact Wasserstein distance",
            kind="line",
            series=tuple(
                banded(f"n_critic {count}", sorted(runs[0].curves), [run.curve("distance") for run in runs])
                for count, runs in there.items()
            ),
            x_label="generator step",
            y_scale="log",
        ),
        Panel(
            title="At the last step",
            kind="bars",
            series=(bars("exact W₁", [[run.last()["distance"] for run in runs] for runs in there.values()]),),
            ticks=tuple(f"n_critic {count}" for count in there),
        ),
    ]
    for count, runs in there.items():
        trial = runs[0].trial
        assert isinstance(trial, PointTrial)
        real = mixture("grid", trial.widening).draw(400, np.random.Generator(np.random.Philox(0)))
        panels.append(scatter(f"n_critic {count}", real, np.asarray(runs[0].last_samples())))
    return Chart(
        name="claim-4-critic-steps",
        caption="Mean over seeds between the best and the worst; points of the first seed.",
        panels=tuple(panels),
        columns=len(panels),
    )
