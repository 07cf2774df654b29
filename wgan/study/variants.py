"""What all claims share: running trials with progress, and turning them into curves and MLflow's variants."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from wgan import progress
from wgan.config import TrainingConfig, flat_parameters
from wgan.study.finished_trials import FinishedTrials
from wgan.study.mixtures import MixtureName
from wgan.study.parallel import run_trials
from wgan.study.records import Chart, Claim, ClaimResult, Panel, Series, Table, Variant
from wgan.study.sizes import StudySize
from wgan.study.trials import PointTrial, Trial, TrialResult

MEDIAN_WINDOW = 101
CURVE_POINTS = 200
"""Maximum points of a per-step curve in a record."""
POINT_LAYERS = 3
LABELS = {"gan": "GAN", "wgan": "WGAN", "wgan-gp": "WGAN-GP"}


def point_trial(name: str, size: StudySize, mixture: MixtureName, training: TrainingConfig) -> PointTrial:
    """A training in the plane at the study's size."""
    return PointTrial(
        name=name,
        training=training,
        mixture=mixture,
        width=size.point_width,
        depth=POINT_LAYERS,
        samples=size.point_samples,
        measure_every=max(1, size.point_steps // size.measurements),
        widening=size.widening,
    )


def run_claim(claim: Claim, trials: Sequence[Trial], kept: FinishedTrials) -> list[TrialResult]:
    """All trials of a claim, in order, with progress. Those in `kept` are not repeated; new ones are added to it."""
    stage = f"claim {claim.number}"
    found = {position: result for position, trial in enumerate(trials) if (result := kept.load(trial))}

    def finished(done: int, result: TrialResult) -> None:
        kept.keep(result)
        progress.report(stage, len(found) + done, len(trials), f"{claim.title}: {result.trial.name}")

    progress.report(stage, len(found), len(trials), claim.title)
    left = [position for position in range(len(trials)) if position not in found]
    run = run_trials([trials[position] for position in left], finished) if left else []
    results = found | dict(zip(left, run, strict=True))
    return [results[position] for position in range(len(trials))]


class Stopwatch:
    """Wall-clock and CPU time of a claim: of this process and of its trials."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def result(
        self,
        claim: Claim,
        trials: Sequence[TrialResult],
        *,
        protocol: str,
        table: Table,
        finding: str,
        holds: bool,
        charts: Sequence[Chart],
        curves: Sequence[dict[str, list[float]]] | None = None,
    ) -> ClaimResult:
        """The claim's result; `curves` are further measures of each trial at its measured steps."""
        more = curves or [{} for _ in trials]
        return ClaimResult(
            claim=claim,
            protocol=protocol,
            table=table,
            finding=finding,
            holds=holds,
            charts=tuple(charts),
            variants=tuple(variant(trial, measures) for trial, measures in zip(trials, more, strict=True)),
            seconds=round(time.perf_counter() - self._wall, 1),
            cpu_seconds=round(time.process_time() - self._cpu + sum(trial.cpu_seconds for trial in trials), 1),
        )


def variant(result: TrialResult, measures: dict[str, list[float]]) -> Variant:
    """A trial as logged to MLflow: its configuration, its curves, and their final values."""
    steps = sorted(result.curves) or sorted(result.samples)
    curves = {name: result.curve(name) for name in (result.curves[steps[0]] if result.curves else ())} | measures
    at = np.array(steps, dtype=np.int64) - 1
    curves |= {name: column[at].tolist() for name, column in result.history.items()}
    return Variant(
        name=result.trial.name,
        parameters=flat_parameters(result.trial.training),
        metrics={name: values[-1] for name, values in curves.items() if values},
        steps=tuple(steps),
        curves={name: tuple(values) for name, values in curves.items()},
    )


def median_filtered(values: Sequence[float] | np.ndarray, window: int = MEDIAN_WINDOW) -> np.ndarray:
    """Running median over the last `window` values up to each, as the paper's figures 3 and 4 filter their curves."""
    column = np.asarray(values, dtype=np.float64)
    return np.array([np.median(column[max(0, end - window) : end]) for end in range(1, len(column) + 1)])


def thinned(label: str, values: np.ndarray) -> Series:
    """A per-step curve (entry i is step i + 1) at no more than 200 evenly spaced steps."""
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), CURVE_POINTS)).astype(int))
    return Series(label=label, x=tuple((chosen + 1.0).tolist()), y=tuple(np.round(values[chosen], 6).tolist()))


def banded(label: str, x: Sequence[float], runs: Sequence[Sequence[float]]) -> Series:
    """The mean over runs at each of `x`, between their smallest and largest."""
    values = np.asarray(runs, dtype=np.float64)
    return Series(
        label=label,
        x=tuple(map(float, x)),
        y=tuple(values.mean(axis=0).tolist()),
        low=tuple(values.min(axis=0).tolist()),
        high=tuple(values.max(axis=0).tolist()),
    )


def bars(label: str, runs: Sequence[Sequence[float]]) -> Series:
    """A group of bars, one for each entry of `runs`: the mean of its values, between their smallest and largest."""
    return Series(
        label=label,
        x=tuple(float(place) for place in range(len(runs))),
        y=tuple(float(np.mean(run)) for run in runs),
        low=tuple(float(np.min(run)) for run in runs),
        high=tuple(float(np.max(run)) for run in runs),
    )


def scatter(title: str, real: np.ndarray, made: np.ndarray, most: int = 400) -> Panel:
    """Real points (N, 2) under generated ones, at most 400 of each."""
    clouds = {"data": real[:most], "generated": made[:most]}
    series = [
        Series(label=name, x=tuple(np.round(cloud[:, 0], 3).tolist()), y=tuple(np.round(cloud[:, 1], 3).tolist()))
        for name, cloud in clouds.items()
    ]
    return Panel(title=title, kind="points", series=tuple(series), limits=(-2.2, 2.2, -2.2, 2.2))


def plus_minus(values: Sequence[float], digits: int = 2) -> str:
    """`mean ± standard deviation` over seeds."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"
