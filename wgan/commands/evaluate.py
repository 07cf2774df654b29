"""`wgan evaluate`: one generator's metrics with intervals, beside real images and an untrained generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wgan.commands.options import AsJson
from wgan.errors import UsageError

if TYPE_CHECKING:
    from wgan.settings import Settings
    from wgan.steps.measure import Report


def evaluate(
    target: Annotated[
        str,
        typer.Argument(metavar="MODEL|CHECKPOINT", help="Registered model, or a checkpoint: s3://… or a .pt file."),
    ],
    version: Annotated[
        str,
        typer.Argument(metavar="VERSION|CHECKPOINT", help="Version of the model, its alias, or a checkpoint of it."),
    ] = "champion",
    protocol: Annotated[
        Literal["quick", "standard", "paper"],
        typer.Option(
            help="quick: fewer images and seeds; standard: the run's own; paper: Inception and 10,000 images, then FID "
            "and Inception score of 50,000 against the whole training set; or 26,000 Stacked-MNIST triples."
        ),
    ] = "standard",
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Inception's weights for the protocol paper, instead of WGAN_INCEPTION_WEIGHTS or a download.",
        ),
    ] = None,
    fetch_data: Annotated[
        bool,
        typer.Option(
            "--fetch-data",
            help="If a checkpoint's data is not in storage, fetch it from the source that the checkpoint names.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure one generator and show its metrics beside real held-out images and an untrained generator."""
    from wgan.commands.flow_session import display, enter_environment
    from wgan.commands.output import error_console, print_json
    from wgan.settings import load_settings

    settings = load_settings()
    if weights is not None:
        settings = _with_weights(settings, weights, protocol)
    enter_environment(settings, "train")
    from wgan.registry.aliases import named_version
    from wgan.steps.measure import measure_checkpoint, measure_version
    from wgan.storage import open_storage

    storage = open_storage(settings)
    with display(error_console):
        if _is_checkpoint(target):
            report = measure_checkpoint(target, protocol, settings, storage, fetch_data=fetch_data)
        elif _is_checkpoint(version):
            report = measure_checkpoint(version, protocol, settings, storage, target, fetch_data=fetch_data)
        else:
            report = measure_version(target, named_version(target, version, settings), protocol, settings, storage)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show(report)


def _with_weights(settings: Settings, weights: Path, protocol: str) -> Settings:
    if protocol != "paper":
        raise UsageError(f"--weights is for --protocol paper; --protocol {protocol} does not use Inception's weights.")
    if not weights.is_file():
        raise UsageError(f"--weights {weights} is not a file.")
    return settings.model_copy(update={"inception_weights": weights.absolute()})


def _is_checkpoint(name: str) -> bool:
    return name.startswith("s3://") or name.endswith(".pt")


def _show(report: Report) -> None:
    from wgan.commands.output import console, print_table
    from wgan.metric_text.summary import bounds_sentence, protocol_sentence, published_sentence
    from wgan.metric_text.table import interval_text, metric_rows

    rows = []
    for row in metric_rows(report.measurement, None, None, report.bounds):
        intervals = (row.challenger, row.real_images, row.untrained)
        rows.append((row.title, *(interval_text(interval) if interval else "–" for interval in intervals)))
    measured = f"{report.target} on {report.dataset.name}, protocol {report.protocol_name}:"
    console.print(measured, highlight=False, markup=False, soft_wrap=True)
    print_table(("metric", "this generator", "real images", "untrained"), rows)
    sentences = [bounds_sentence(report.bounds), protocol_sentence(report.measurement.protocol)]
    if report.published:
        sentences.append(published_sentence(report.published))
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
