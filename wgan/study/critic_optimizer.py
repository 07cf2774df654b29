"""Claim 5: momentum makes the clipped critic's training unstable."""

from __future__ import annotations

from typing import Any

import numpy as np

from wgan.study.baselines import in_the_plane
from wgan.study.finished_trials import FinishedTrials
from wgan.study.records import Chart, Claim, ClaimResult, Panel, Table
from wgan.study.sizes import StudySize
from wgan.study.trials import TrialResult
from wgan.study.variants import Stopwatch, banded, plus_minus, point_trial, run_claim

CLAIM = Claim(
    number=5,
    title="RMSProp rather than Adam with momentum",
    source="Section 4.3, after Algorithm 1's discussion",
    statement="“WGAN training becomes unstable at times when one uses a momentum based optimizer such as Adam (with "
    "β₁ > 0) on the critic, or when one uses high learning rates.” RMSProp performs well.",
    criterion="Over both learning rates and all seeds, RMSProp fails no more often than Adam with β₁ = 0.9, and the "
    "exact Wasserstein distance in the second half of the trainings has the smaller standard deviation with RMSProp. "
    "A training fails if it diverges or ends with fewer than half of the modes.",
)
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "RMSProp": {"optimizer": "rmsprop"},
    "Adam, β₁ 0.9": {"optimizer": "adam", "adam_betas": (0.9, 0.999)},
}
RATES = (2e-4, 2e-3)
"""The learning rate of the other claims, and a high one."""
MODES = 25


def reproduce(size: StudySize, seed: int, kept: FinishedTrials) -> ClaimResult:
    """WGAN on the grid with either optimizer for both networks, at a moderate and at a high learning rate."""
    watch = Stopwatch()
    shorter = size.model_copy(update={"point_steps": max(size.measurements, size.point_steps // 2)})
    keys = [(name, rate, seed + run) for name in OPTIMIZERS for rate in RATES for run in range(size.seeds)]
    trials = [
        point_trial(
            f"{name} lr {rate:g} seed {number}",
            shorter,
            "grid",
            in_the_plane("wgan", shorter, number, lr=rate, **OPTIMIZERS[name]),
        )
        for name, rate, number in keys
    ]
    results = run_claim(CLAIM, trials, kept)
    runs = {
        (name, rate): [result for key, result in zip(keys, results, strict=True) if key[:2] == (name, rate)]
        for name in OPTIMIZERS
        for rate in RATES
    }
    rows = [
        (
            name,
            f"{rate:g}",
            f"{sum(map(failed, group))} of {len(group)}",
            plus_minus([result.last()["distance"] for result in group if not result.diverged] or [float("nan")], 3),
            f"{spread(group):.3f}",
            plus_minus([result.last()["modes"] for result in group if not result.diverged] or [0.0], 1),
        )
        for (name, rate), group in runs.items()
    ]
    failures = {name: sum(failed(r) for rate in RATES for r in runs[name, rate]) for name in OPTIMIZERS}
    spreads = {name: float(np.mean([spread(runs[name, rate]) for rate in RATES])) for name in OPTIMIZERS}
    plain, momentum = OPTIMIZERS
    return watch.result(
        CLAIM,
        results,
        protocol=f"25-Gaussian grid, Algorithm 1 with {shorter.point_steps:,} generator steps, {size.seeds} seeds, the "
        "optimizer used for both networks; everything else as in claim 1.",
        table=Table(
            columns=(
                "optimizer",
                "lr",
                "failures",
                "exact W₁ at the end",
                "deviation of W₁, second half",
                "modes of 25",
            ),
            rows=tuple(rows),
        ),
        finding=f"{failures[plain]} of {len(RATES) * size.seeds} trainings failed with RMSProp and "
        f"{failures[momentum]} with Adam; W₁'s standard deviation is {spreads[plain]:.3f} and {spreads[momentum]:.3f}.",
        holds=failures[plain] <= failures[momentum] and spreads[plain] < spreads[momentum],
        charts=[_chart(runs)],
    )


def failed(result: TrialResult) -> bool:
    """Whether a training on the grid diverged or ended with fewer than half of its modes."""
    return bool(result.diverged) or result.last()["modes"] < MODES / 2


def spread(results: list[TrialResult]) -> float:
    """Standard deviation of the exact distance over seeds and the second half of the measured steps."""
    late = [value for result in results if not result.diverged for value in _late(result.curve("distance"))]
    return float(np.std(late)) if late else float("inf")


def _late(values: list[float]) -> list[float]:
    return values[len(values) // 2 :]


def _chart(runs: dict[tuple[str, float], list[TrialResult]]) -> Chart:
    panels = []
    for rate in RATES:
        series = []
        for name in OPTIMIZERS:
            whole = [result for result in runs[name, rate] if not result.diverged]
            if whole:
                series.append(banded(name, sorted(whole[0].curves), [result.curve("distance") for result in whole]))
        panels.append(
            Panel(
                title=f"Exact Wasserstein distance, lr {rate:g}",
                kind="line",
                series=tuple(series),
                x_label="generator step",
                y_scale="log",
            )
        )
    return Chart(
        name="claim-5-optimizers",
        caption="Mean over seeds between the best and the worst.",
        panels=tuple(panels),
        columns=2,
    )
