"""Tests the paper's claims one by one, and reports the results."""

from __future__ import annotations

from prefect import flow, runtime

from flows.endings import completed, named_endings
from tasks.report import announce_run
from tasks.restarts import end_tasks_of_dead_processes
from tasks.study import (
    end_study_as_failed,
    end_study_as_killed,
    find_digits,
    open_study,
    publish_study,
    try_architectures,
    try_clip_value,
    try_critic_iterations,
    try_critic_optimizer,
    try_meaningful_estimate,
    try_mode_collapse,
    try_vanishing_gradients,
)
from wgan.study.records import StudyOutcome
from wgan.study.report import summary
from wgan.study.sizes import SizeName
from wgan.tracking.study import study_settings

ON_DIGITS = {
    1: try_mode_collapse,
    2: try_meaningful_estimate,
    6: try_architectures,
}
WITHOUT_IMAGES = {
    3: try_vanishing_gradients,
    4: try_critic_iterations,
    5: try_critic_optimizer,
    7: try_clip_value,
}
ALL = tuple(sorted(ON_DIGITS | WITHOUT_IMAGES))


@flow(
    name="study",
    flow_run_name="{size} seed {seed}",
    persist_result=True,
    on_running=[announce_run],
    on_failure=[end_study_as_failed],
    on_crashed=[end_study_as_killed],
    on_cancellation=[end_study_as_killed],
)
@named_endings(resumed_by="wgan study --resume", kept_in=study_settings)
def study(size: SizeName = "short", claims: tuple[int, ...] = ALL, seed: int = 0) -> StudyOutcome:
    """Test claims of the paper by experiment and publish the report.

    Args:
        size: tiny: a few steps, as a check; short: minutes; medium: hours; full: as long as the papers train.
        claims: Numbers of the claims, 1 to 7.
        seed: First of the consecutive seeds.
    """
    end_tasks_of_dead_processes()
    run_id = open_study(size, seed, claims)
    digits, results = None, []
    for number in claims:
        if number in ON_DIGITS:
            digits = digits or find_digits(size)
            results.append(ON_DIGITS[number](size, seed, digits, run_id))
        else:
            results.append(WITHOUT_IMAGES[number](size, seed, run_id))
    outcome = StudyOutcome(
        size=size,
        seed=seed,
        flow_run_id=str(runtime.flow_run.id),
        mlflow_run_id=run_id,
        digits=f"{digits.name}, {digits.count:,}" if digits else "",
        results=tuple(results),
    )
    publish_study(outcome)
    return completed(f"Tried: {summary(outcome)}", outcome)
