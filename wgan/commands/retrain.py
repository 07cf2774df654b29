"""`wgan retrain` and `wgan presets`: the main job, and the configurations it can start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from wgan.commands.options import AsJson, Assignments, ConfigFile, IfChanged, IfDrifted, MinNew, Preset, Promote

if TYPE_CHECKING:
    from wgan.config import RetrainConfig
    from wgan.records import RetrainOutcome, RetrainSkipped
    from wgan.settings import Settings


def retrain(
    preset: Preset = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    promote: Promote = True,
    if_changed: IfChanged = False,
    min_new: MinNew = None,
    if_drifted: IfDrifted = False,
    accept_data: Annotated[
        str | None,
        typer.Option(help="Digest of a data set to train on although its rules refuse it.", show_default=False),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why --accept-data, for the record.", show_default=False)] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the configuration, the steps, and how long they take; do nothing.")
    ] = False,
    resume: Annotated[
        UUID | None, typer.Option(help="Resume an earlier flow run; its completed steps are not repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prepare data, train, evaluate, register and, if better, promote a generator."""
    from wgan.amounts import ALLOWED, is_amount
    from wgan.commands.dry_run import show_plan
    from wgan.config_reading import load_config
    from wgan.data.local_location import require_local_data
    from wgan.errors import UsageError
    from wgan.records import RetrainOutcome
    from wgan.settings import load_settings

    if (accept_data is None) != (reason is None):
        raise UsageError("--accept-data DIGEST and --reason TEXT belong together.")
    if resume and accept_data:
        raise UsageError("--accept-data starts a new run: leave out --resume.")
    if min_new is not None and not is_amount(min_new):
        raise UsageError(f"--min-new={min_new} is not allowed: {ALLOWED}.")
    if resume and (preset or config or assignments):
        raise UsageError("--resume uses the configuration of its flow run: leave out --preset, --config and --set.")
    if not (resume or preset or config):
        raise UsageError("choose what to train: --preset NAME (`wgan presets` lists them) or --config FILE.")
    resolved = None if resume else load_config(preset, config, assignments or [])
    settings = load_settings()
    if resolved is not None:
        require_local_data(resolved.data)
    if dry_run:
        if resolved is None:
            raise UsageError("--dry-run shows a configuration: give --preset or --config instead of --resume.")
        show_plan(resolved, settings, promote, as_json)
        return
    given = {
        "promote": promote, "only_if_changed": if_changed, "min_new": min_new, "only_if_drifted": if_drifted,
        "accept_data": accept_data, "accept_reason": reason,
    }  # fmt: skip
    outcome = _run(resolved, given, resume, settings)
    if isinstance(outcome, RetrainOutcome):
        _show_outcome(outcome, settings, as_json)
    else:
        _show_skipped(outcome, as_json)


def _run(
    config: RetrainConfig | None, given: dict[str, Any], resume: UUID | None, settings: Settings
) -> RetrainOutcome | RetrainSkipped:
    from pydantic import TypeAdapter

    from wgan.commands.flow_session import enter_environment, require_servers, run_flow_here
    from wgan.commands.output import error_console
    from wgan.records import RetrainOutcome, RetrainSkipped

    enter_environment(settings, "scale" if config is not None and config.training.workers > 1 else "train")
    require_servers(settings)
    if config is not None:
        from wgan.registry.preconditions import require_comparable

        require_comparable(config, settings)
    error_console.print("Loading torch, Prefect and MLflow …")
    from flows.retrain import retrain as retrain_flow
    from flows.running import resume as resume_flow

    def start() -> Any:
        if resume is not None:
            return resume_flow(retrain_flow, resume)
        assert config is not None
        return retrain_flow(config, **given)

    outcome: RetrainOutcome | RetrainSkipped = TypeAdapter(RetrainOutcome | RetrainSkipped).validate_python(
        run_flow_here(start, settings)
    )
    return outcome


def _show_outcome(outcome: RetrainOutcome, settings: Settings, as_json: bool) -> None:
    from wgan.commands.output import console, print_json
    from wgan.metric_text.untrained import untrained_warning
    from wgan.model_version.way import challenger_stage
    from wgan.stack.prefect_login import prefect_link
    from wgan.tracking.run_status import PICTURES_TAB, run_url
    from wgan.tracking.runs import fetch_artifact

    version, promotion = outcome.version, outcome.promotion
    training = version.evaluation.training
    grid = settings.home / "samples" / f"{version.model_name}-v{version.version}.png"
    fetch_artifact(settings, training.mlflow_run_id, training.sample_grid, grid)
    grid = grid.resolve()
    warning = untrained_warning(version.evaluation)
    mlflow_page = run_url(settings, training.mlflow_run_id, PICTURES_TAB)
    prefect_page = prefect_link(settings, f"/runs/flow-run/{training.flow_run_id}")
    if as_json:
        print_json(
            {
                **outcome.model_dump(mode="json"),
                "warning": warning,
                "sample_grid": str(grid),
                "mlflow_page": mlflow_page,
                "prefect_page": prefect_page,
            }
        )
        return
    metrics = version.evaluation.challenger.metrics
    action = promotion.action if promotion else "not asked for"
    estimate = training.wasserstein_estimate
    rows = [
        ("data", f"{training.dataset.name}, {training.dataset.count:,} images, digest {training.dataset.digest[:16]}…"),
        (
            "training",
            f"{training.trained_steps:,} generator steps in {training.seconds:.0f} s "
            f"({training.images_per_second:,.0f} images/s, {training.device}, {training.precision})",
        ),
        *([("started from", training.started_from)] if training.started_from else []),
        *([("checkpoint", training.choice.reason)] if training.choice else []),
        ("Wasserstein estimate", "not defined for this objective" if estimate is None else f"{estimate:.4f}"),
        ("metrics", ", ".join(f"{name} {interval.mean:.3g}" for name, interval in metrics.items())),
        *([("warning", warning)] if warning else []),
        ("registered", f"{version.model_name} version {version.version}"),
        ("promotion", action),
        *([("why", promotion.reason)] if promotion else []),
        *(
            [("waits for", str(challenger_stage(promotion).waits_for))]
            if promotion and promotion.action == "passed"
            else []
        ),
        *(("serving", f"{check.url}: {check.outcome}, {check.reason}") for check in outcome.serving),
        ("sample grid", str(grid)),
        ("MLflow", mlflow_page),
        ("Prefect", prefect_page),
    ]
    for name, value in rows:
        console.print(f"[bold]{name:>21}[/bold]  ", end="")
        console.print(value, highlight=False, markup=False, soft_wrap=True)


def _show_skipped(outcome: RetrainSkipped, as_json: bool) -> None:
    from wgan.commands.output import console, print_json

    if as_json:
        print_json(outcome.model_dump(mode="json"))
        return
    console.print(f"Nothing to train: {outcome.reason}", highlight=False, markup=False, soft_wrap=True)


def presets(
    as_json: AsJson = False,
) -> None:
    """List the configurations a run can start from."""
    from wgan.commands.output import print_json, print_table
    from wgan.config_reading import example_config, preset_names

    configs = {name: example_config(name) for name in preset_names()}
    if as_json:
        print_json({name: config.model_dump(mode="json") for name, config in configs.items()})
        return
    columns = ("preset", "data", "size", "channels", "width", "objective", "generator steps", "registered as")
    rows = [
        (
            name,
            config.data.source,
            f"{config.data.image_size}×{config.data.image_size}",
            str(config.data.channels),
            str(config.networks.width),
            config.training.objective,
            f"{config.training.generator_steps:,}",
            config.model_name,
        )
        for name, config in configs.items()
    ]
    print_table(columns, rows, typed=("preset", "registered as"))
