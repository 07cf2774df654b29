"""`wgan data`: prepare the images of a configuration, list prepared data sets, inspect one, and report on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wgan.commands.options import AsJson, ConfigFile, Preset
from wgan.durations import counted

if TYPE_CHECKING:
    from wgan.records import DatasetRef

app = typer.Typer(help="Prepare, list and inspect data sets.", no_args_is_help=True)
MOST_CLASSES = 20
"""Maximum number of classes listed by name."""


@app.command()
def prepare(
    preset: Preset = None,
    config: ConfigFile = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="One value, e.g. data.image_size=64; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download, check and prepare a data set, or find it prepared; damaged copies are repaired."""
    from wgan.commands.extras import require_extra
    from wgan.commands.output import console, print_json
    from wgan.config_reading import load_config
    from wgan.errors import UsageError
    from wgan.settings import load_settings
    from wgan.storage import open_storage

    if not (preset or config or assignments):
        raise UsageError("choose what to prepare: --preset NAME (`wgan presets` lists them), --config FILE or --set.")
    data = load_config(preset, config, assignments or []).data
    require_extra("pipeline")
    from wgan.data.local_location import require_local_data
    from wgan.data.prepare import prepare_dataset

    settings = load_settings()
    require_local_data(data)
    storage = open_storage(settings)
    storage.ensure_bucket()
    with _progress_bar() as progress:
        ref = prepare_dataset(data, settings, storage, progress, verify=True)
    if as_json:
        print_json(ref.model_dump(mode="json"))
        return
    _print_counts(ref)
    console.print(ref.uri, soft_wrap=True, highlight=False, markup=False)


@app.command("list")
def list_prepared(
    as_json: AsJson = False,
) -> None:
    """List the prepared data sets."""
    from wgan.commands.output import console, print_json, print_table
    from wgan.data.manifest import list_datasets
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
        console.print("No data set is prepared yet: `wgan data prepare --preset digits` prepares the first.")
        return
    columns = ("name", "source", "images", "held out", "size", "channels", "classes", "left out", "digest")
    rows = []
    for ref in refs:
        numbers = (
            ref.count,
            ref.held_out_count,
            ref.image_size,
            ref.channels,
            len(ref.classes),
            sum(entry.count for entry in ref.left_out),
        )
        rows.append((ref.name, ref.source, *(f"{number:,}" for number in numbers), ref.digest[:12]))
    print_table(columns, rows, typed=("name", "digest"))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Data set; `wgan data list` lists the existing ones.")],
    digest: Annotated[str, typer.Option(help="Beginning of its digest; default: the newest.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what a prepared data set is made of, what was left out and why, and a picture of some images."""
    from wgan.commands.output import console, print_json
    from wgan.data.description import describe, find_dataset
    from wgan.settings import load_settings
    from wgan.storage.objects import open_storage

    settings = load_settings()
    storage = open_storage(settings)
    storage.ensure_bucket()
    ref = find_dataset(name, digest, settings, storage)
    found = describe(ref, settings, storage)
    grid = settings.home / "samples" / f"data-{ref.name}-{ref.digest[:12]}.png"
    grid.parent.mkdir(parents=True, exist_ok=True)
    found.grid.save(grid)
    if as_json:
        print_json(
            {
                **ref.model_dump(mode="json"),
                "location": found.location,
                "decoder": found.decoder,
                "format_version": found.format_version,
                "crop": found.crop,
                "class_counts": found.class_counts,
                "bad_files": [file.model_dump(mode="json") for file in found.bad_files],
                "sample_grid": str(grid.resolve()),
            }
        )
        return
    _print_counts(ref)
    classes = ", ".join(f"{label} {count:,}" for label, count in list(found.class_counts.items())[:MOST_CLASSES])
    more = f" and {len(ref.classes) - MOST_CLASSES} more" if len(ref.classes) > MOST_CLASSES else ""
    rows = [
        *([("classes", classes + more)] if classes else []),
        ("from", f"{ref.source}{f', {found.location}' if found.location else ''}"),
        ("read by", f"{found.decoder}, format {found.format_version}, crop {found.crop}"),
        ("digest", ref.digest),
        ("manifest", ref.uri),
        ("samples", str(grid.resolve())),
    ]
    for title, value in rows:
        console.print(f"{title:>8}  {value}", soft_wrap=True, highlight=False, markup=False)


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="Data set; `wgan data list` lists the existing ones.")],
    digest: Annotated[str, typer.Option(help="Beginning of its digest; default: the newest.")] = "",
    against: Annotated[
        str | None, typer.Option(help="Data set to compare with: the beginning of its digest, or champion.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where to write the HTML report.", show_default="reports/ in WGAN_HOME")
    ] = None,
    preset: Preset = None,
    config: ConfigFile = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="One rule, e.g. data.rules.refuse.blank=0.01; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Report what a data set contains: sizes, classes, copies, faulty images, and which rules it breaks.

    The rules, and the features that drift is measured in, are those of --preset, --config and --set, or the defaults.
    """
    from wgan.commands.extras import require_extra
    from wgan.commands.output import console, print_json
    from wgan.config_reading import load_config
    from wgan.data.description import find_dataset
    from wgan.progress import listening
    from wgan.settings import load_settings
    from wgan.storage import open_storage

    chosen = load_config(preset, config, assignments or [])
    require_extra("pipeline" if against is None else "train")  # drift is measured in features
    from wgan.steps.report_data import data_to_compare, report_data, report_page

    settings = load_settings()
    storage = open_storage(settings)
    storage.ensure_bucket()
    ref = find_dataset(name, digest, settings, storage)
    other = None if against is None else data_to_compare(name, against, settings, storage)
    with _progress_bar() as progress, listening(lambda at: progress(at.stage, at.done, at.total)):
        made = report_data(ref, other, chosen, settings, storage)
    page = output or settings.home / "reports" / f"data-{ref.name}-{ref.digest[:12]}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_bytes(report_page(ref, settings, storage))
    if as_json:
        print_json({**made.model_dump(mode="json"), "page": str(page.resolve())})
        return
    _print_counts(ref)
    rows = [(finding.title, f"{finding.count:,} ({finding.share:.1%})") for finding in made.findings if finding.count]
    if made.compared_with:
        rows.append(("New", f"{made.compared_with.new:,} images are not in {made.compared_with.digest[:12]}"))
    if made.drift:
        rows.append(("Drift", f"{made.drift.times:.2f} times the Fréchet distance of two halves of the earlier data"))
    rows += [("Refused" if rule.refuses else "Warning", rule.reason) for rule in made.broken]
    for title, value in [*rows, ("Page", str(page.resolve()))]:
        console.print(f"{title}: {value}", soft_wrap=True, highlight=False, markup=False)


def _print_counts(ref: DatasetRef) -> None:
    """One line of counts, then a line per reason why files were skipped or need a remark."""
    from wgan.commands.output import console

    kept_out = f" and {ref.held_out_count:,} held out" if ref.held_out_count else ""
    lines = [
        f"Data set {ref.name}: {counted(ref.count, 'image')}{kept_out} of "
        f"{ref.image_size}×{ref.image_size}×{ref.channels}, "
        f"{counted(len(ref.classes), 'class', 'classes') if ref.classes else 'no classes'}."
    ]
    for title, entries in (("left out", ref.left_out), ("note", ref.remarks)):
        for entry in entries:
            named = f" ({', '.join(entry.examples)}{', …' if entry.count > len(entry.examples) else ''})"
            lines.append(f"{title:>8}  {entry.count:,} × {entry.reason}{named if entry.examples else ''}")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


@contextmanager
def _progress_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar on standard error for each reported phase."""
    from rich.progress import Progress, TaskID

    from wgan.commands.output import error_console

    phases: dict[str, TaskID] = {}
    with Progress(console=error_console) as bars:

        def show(phase: str, done: int, total: int | None) -> None:
            if phase not in phases:
                phases[phase] = bars.add_task(phase, total=total)
            bars.update(phases[phase], completed=done, total=total)

        yield show
