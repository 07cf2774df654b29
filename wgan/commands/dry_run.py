"""`wgan retrain --dry-run`: the configuration, what a run would do, how long it would take and what it would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wgan.durations import counted, spoken

if TYPE_CHECKING:
    from wgan.commands.flow_session import ChampionAhead
    from wgan.config import RetrainConfig
    from wgan.settings import Settings
    from wgan.steps.estimate import Estimate


def show_plan(config: RetrainConfig, settings: Settings, promote: bool, as_json: bool) -> None:
    """Print the plan, and change nothing. Raises `UsageError` if a run would be refused."""
    import yaml

    from wgan.commands.flow_session import check_champion
    from wgan.commands.output import console, error_console, print_json

    champion = check_champion(config, settings)
    if champion.remark:
        error_console.print(champion.remark, highlight=False, markup=False, soft_wrap=True)

    values = config.model_dump(mode="json")
    steps = _steps(config, settings, promote, champion)
    if not as_json:
        console.print(yaml.safe_dump(values, sort_keys=False), highlight=False, markup=False)
        console.print("A run would:")
        for number, step in enumerate(steps, 1):
            console.print(f"  {number}. {step}", highlight=False, markup=False, soft_wrap=True)
    estimate = _estimate(config, settings, champion)
    if as_json:
        print_json(
            {
                "config": values,
                "model_name": config.model_name,
                "champion": champion.version,
                "steps": steps,
                "estimate": _as_json(estimate, settings),
            }
        )
        return
    console.print()
    for line in _in_words(estimate, settings):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _steps(config: RetrainConfig, settings: Settings, promote: bool, champion: ChampionAhead) -> list[str]:
    data, training, evaluation = config.data, config.training, config.evaluation
    where = f" from {data.location}" if data.location else ""
    steps = [
        f"prepare the data set {data.dataset_name}{where} at {data.image_size}×{data.image_size}, "
        f"{counted(data.channels, 'channel')}, in bucket {settings.bucket} at {settings.s3_endpoint_url}",
        f"train {training.objective} for {counted(training.generator_steps, 'generator step')}, "
        f"batch {training.batch_size}, lr {training.lr:g}, "
        f"{counted(training.n_critic, 'critic step')} each, on device {settings.device}",
        f"evaluate on {evaluation.sample_count:,} images and {evaluation.seeds} seeds",
        f"register {config.model_name} in MLflow at {settings.mlflow_tracking_uri}",
        f"compare with {_opponent(champion)}",
    ]
    return [
        *steps,
        "ask the gate and, if it agrees, move the champion alias" if promote else "leave the champion alone",
        *([f"wait until {settings.serving_urls} draws the new version"] if promote and settings.serving_urls else []),
    ]


def _opponent(champion: ChampionAhead) -> str:
    if not champion.known:
        return "the champion, if there is one"
    return f"the champion, version {champion.version}" if champion.version else "nothing: there is no champion yet"


def _estimate(config: RetrainConfig, settings: Settings, champion: ChampionAhead) -> Estimate | str:
    """The estimate, or a sentence why there is none."""
    from wgan.commands.extras import install_command, missing_mark
    from wgan.errors import WganError

    if missing_mark("train"):
        return f"An estimate of the time needs the training extra: {install_command('train')}."
    from wgan.commands.output import error_console

    try:
        with error_console.status("Estimating how long it takes …"):
            from wgan.steps.estimate import estimate_run

            return estimate_run(config, settings, ask_server=champion.known, champion=champion.version is not None)
    except WganError as error:
        return f"The time cannot be estimated here: {error}"


def _as_json(estimate: Estimate | str, settings: Settings) -> dict[str, Any]:
    if isinstance(estimate, str):
        return {"seconds": None, "basis": estimate}
    from wgan.price import parse_price

    cost = None
    if settings.price_per_hour:
        price = parse_price(settings.price_per_hour)
        cost = {"amount": round(float(price.of(estimate.seconds)), 4), "currency": price.currency}
    return {**estimate.model_dump(mode="json"), "cost": cost, "price_per_hour": settings.price_per_hour}


def _in_words(estimate: Estimate | str, settings: Settings) -> list[str]:
    from wgan.price import parse_price

    if isinstance(estimate, str):
        return [estimate]
    lines = [
        f"It takes about {spoken(estimate.seconds)}: {_parts(estimate)}.",
        f"  {estimate.basis[0].upper()}{estimate.basis[1:]}.",
    ]
    if settings.price_per_hour:
        price = parse_price(settings.price_per_hour)
        lines.append(f"It costs {price.in_words(estimate.seconds)}, at {price.written(price.amount)} an hour.")
    return lines


def _parts(estimate: Estimate) -> str:
    known = {"training": estimate.training_seconds, "evaluation": estimate.evaluation_seconds}
    known["the rest"] = estimate.rest_seconds
    text = ", ".join(f"{part} {spoken(seconds)}" for part, seconds in known.items() if seconds is not None)
    unknown = [part for part, seconds in known.items() if seconds is None]
    return f"{text}; {' and '.join(unknown)} not included, because only a finished run shows it" if unknown else text
