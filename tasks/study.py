"""The study: one task per claim of the paper, and the overall report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect import runtime
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from tasks.connections import connect
from tasks.progress import progress_artifact
from tasks.retrying import retried_task
from wgan.config import flat_parameters
from wgan.records import DatasetRef
from wgan.study import (
    architectures,
    clip_value,
    critic_iterations,
    critic_optimizer,
    meaningful_estimate,
    mode_collapse,
    vanishing_gradients,
)
from wgan.study.digits import Digits, open_digits, prepare_digits
from wgan.study.finished_trials import FinishedTrials
from wgan.study.records import Claim, ClaimResult, StudyOutcome
from wgan.study.report import FIGURES, markdown_report, write_report
from wgan.study.sizes import SIZES, SizeName, StudySize
from wgan.tracking.run_status import artifact_url, describe_run, end_run, end_unfinished_run, run_url
from wgan.tracking.study import log_child, log_folder, start_or_resume_study, study_settings


@retried_task("open study")
def open_study(size: SizeName, seed: int, claims: Sequence[int]) -> str:
    """Start the study's run in MLflow; returns its id."""
    settings, storage = connect()
    storage.ensure_bucket()
    parameters = {**flat_parameters(SIZES[size]), "seed": str(seed), "claims": ",".join(map(str, claims))}
    return start_or_resume_study(settings, str(runtime.flow_run.id), f"study {size} seed {seed}", parameters)


@retried_task("find digits")
def find_digits(size: SizeName) -> DatasetRef:
    """MNIST or scikit-learn's digits, prepared."""
    settings, storage = connect()
    with progress_artifact("digits", "Preparing digits"):
        return prepare_digits(settings, storage, allow_download=size != "tiny")


@retried_task("claim 1: mode collapse")
def try_mode_collapse(size: SizeName, seed: int, digits: DatasetRef, run_id: str) -> ClaimResult:
    """Do GAN, WGAN and WGAN-GP drop modes?"""
    return _tried_on_digits(mode_collapse.CLAIM, mode_collapse.reproduce, size, seed, digits, run_id)


@retried_task("claim 2: meaningful estimate")
def try_meaningful_estimate(size: SizeName, seed: int, digits: DatasetRef, run_id: str) -> ClaimResult:
    """Does the loss indicate the quality of the samples?"""
    return _tried_on_digits(meaningful_estimate.CLAIM, meaningful_estimate.reproduce, size, seed, digits, run_id)


@retried_task("claim 3: vanishing gradients")
def try_vanishing_gradients(size: SizeName, seed: int, run_id: str) -> ClaimResult:
    """What slope do an optimal discriminator and an optimal critic have?"""
    return _tried(
        vanishing_gradients.CLAIM,
        _at_once(vanishing_gradients.reproduce),
        size,
        seed,
        run_id,
    )


@retried_task("claim 4: critic iterations")
def try_critic_iterations(size: SizeName, seed: int, run_id: str) -> ClaimResult:
    """Does a critic nearer to optimality help?"""
    return _tried(critic_iterations.CLAIM, critic_iterations.reproduce, size, seed, run_id)


@retried_task("claim 5: critic optimizer")
def try_critic_optimizer(size: SizeName, seed: int, run_id: str) -> ClaimResult:
    """Does momentum make training unstable?"""
    return _tried(critic_optimizer.CLAIM, critic_optimizer.reproduce, size, seed, run_id)


@retried_task("claim 6: architectures")
def try_architectures(size: SizeName, seed: int, digits: DatasetRef, run_id: str) -> ClaimResult:
    """Does WGAN train generators that a GAN does not?"""
    return _tried_on_digits(architectures.CLAIM, architectures.reproduce, size, seed, digits, run_id)


@retried_task("claim 7: clip value")
def try_clip_value(size: SizeName, seed: int, run_id: str) -> ClaimResult:
    """What do too small and too large a clip value do?"""
    return _tried(clip_value.CLAIM, _at_once(clip_value.reproduce), size, seed, run_id)


@retried_task("publish study")
def publish_study(outcome: StudyOutcome) -> None:
    """The report in MLflow, with its figures, and as a Prefect artifact; the MLflow run ends."""
    settings, _ = connect()
    run_id = outcome.mlflow_run_id
    with tempfile.TemporaryDirectory(prefix="wgan-study-") as name:
        write_report(outcome, Path(name))
        log_folder(settings, run_id, Path(name))
    markdown = markdown_report(outcome, lambda chart: artifact_url(settings, run_id, f"{FIGURES}/{chart.name}.png"))
    create_markdown_artifact(markdown=markdown, key="study-report", description="The paper's claims, reproduced")
    create_link_artifact(link=run_url(settings, run_id), key="mlflow-study", link_text="The study in MLflow")
    describe_run(settings, run_id, markdown)
    end_run(settings, run_id, "FINISHED")


def end_study_as_failed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a failed study: end its MLflow run."""
    settings, _ = connect()
    end_unfinished_run(study_settings(settings), str(flow_run.id), "FAILED")


def end_study_as_killed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Hook of a crashed or cancelled study: end its MLflow run."""
    settings, _ = connect()
    end_unfinished_run(study_settings(settings), str(flow_run.id), "KILLED")


def _at_once(
    reproduce: Callable[[StudySize, int], ClaimResult],
) -> Callable[[StudySize, int, FinishedTrials], ClaimResult]:
    """A claim without trials that could be kept."""
    return lambda size, seed, kept: reproduce(size, seed)


def _tried(
    claim: Claim,
    reproduce: Callable[[StudySize, int, FinishedTrials], ClaimResult],
    size: SizeName,
    seed: int,
    run_id: str,
) -> ClaimResult:
    settings, storage = connect()
    kept = FinishedTrials(str(runtime.flow_run.id), settings, storage)
    with progress_artifact(f"claim-{claim.number}", claim.title):
        result = reproduce(SIZES[size], seed, kept)
    for variant in result.variants:
        log_child(
            settings,
            run_id,
            f"claim {claim.number}: {variant.name}",
            claim.statement,
            variant.parameters,
            variant.metrics,
            variant.curves,
            variant.steps,
        )
    return result


def _tried_on_digits(
    claim: Claim,
    reproduce: Callable[[StudySize, int, FinishedTrials, Digits], ClaimResult],
    size: SizeName,
    seed: int,
    digits: DatasetRef,
    run_id: str,
) -> ClaimResult:
    settings, storage = connect()
    with open_digits(digits, settings, storage) as opened:
        return _tried(claim, lambda form, number, kept: reproduce(form, number, kept, opened), size, seed, run_id)
