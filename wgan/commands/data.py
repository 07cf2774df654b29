"""`wgan data`: prepare the images of a configuration, and list what is prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from wgan.commands.options import AsJson, ConfigFile, Preset

app = typer.Typer(help="Prepare data sets, and list them.", no_args_is_help=True)


@app.command()
def prepare(
    preset: Preset = None,
    config: ConfigFile = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="One value, e.g. data.image_size=64; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download, check and prepare a data set, or find it prepared; what storage altered is mended."""
    from wgan.commands.output import console, print_json
    from wgan.config_reading import load_config
    from wgan.data.prepare import prepare_dataset
    from wgan.errors import UsageError
    from wgan.settings import load_settings
    from wgan.storage import open_storage

    if not (preset or config or assignments):
        raise UsageError("say what to prepare: --preset NAME (`wgan presets` lists them), --config FILE or --set.")
    data = load_config(preset, config, assignments or []).data
    settings = load_settings()
    storage = open_storage(settings)
    storage.ensure_bucket()
    with _progress_bar() as progress:
        ref = prepare_dataset(data, settings, storage, progress, verify=True)
    if as_json:
        print_json(ref.model_dump(mode="json"))
        return
    kept_out = f" and {ref.held_out_count:,} held out" if ref.held_out_count else ""
    left_out = f", {ref.bad_count:,} files left out (the manifest says why)" if ref.bad_count else ""
    console.print(
        f"Data set {ref.name}: {ref.count:,} images{kept_out} of {ref.image_size}×{ref.image_size}×{ref.channels}, "
        f"{len(ref.classes) or 'no'} classes{left_out}."
    )
    console.print(ref.uri, soft_wrap=True, highlight=False)


@app.command("list")
def list_prepared(
    as_json: AsJson = False,
) -> None:
    """List the prepared data sets."""
    from rich.table import Table

    from wgan.commands.output import console, print_json
    from wgan.data.catalogue import list_datasets
    from wgan.settings import load_settings
    from wgan.storage import open_storage

    settings = load_settings()
    storage = open_storage(settings)
    storage.ensure_bucket()
    refs = list_datasets(storage, settings)
    if as_json:
        print_json({"datasets": [ref.model_dump(mode="json") for ref in refs]})
        return
    if not refs:
        console.print("No data set is prepared yet: `wgan data prepare --preset digits` makes the first.")
        return
    table = Table("name", "source", "images", "held out", "size", "channels", "classes", "left out", "digest")
    for ref in refs:
        numbers = (ref.count, ref.held_out_count, ref.image_size, ref.channels, len(ref.classes), ref.bad_count)
        table.add_row(ref.name, ref.source, *(f"{number:,}" for number in numbers), ref.digest[:12])
    console.print(table)


@contextmanager
def _progress_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar on standard error for each phase that is reported."""
    from rich.progress import Progress, TaskID

    from wgan.commands.output import error_console

    phases: dict[str, TaskID] = {}
    with Progress(console=error_console) as bars:

        def show(phase: str, done: int, total: int | None) -> None:
            if phase not in phases:
                phases[phase] = bars.add_task(phase, total=total)
            bars.update(phases[phase], completed=done, total=total)

        yield show
