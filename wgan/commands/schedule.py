"""`wgan schedule`: manages unattended retraining."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from wgan.commands.options import AsJson, Assignments, ConfigFile, IfChanged, IfDrifted, MinNew, Preset, Promote

if TYPE_CHECKING:
    from wgan.config import RetrainConfig
    from wgan.prefect_server.client import PrefectServer
    from wgan.prefect_server.operations import Applied
    from wgan.prefect_server.schedule_listing import ScheduleEntry
    from wgan.settings import Settings

app = typer.Typer(help="Retrain on a schedule, on workers.", no_args_is_help=True)
Result = TypeVar("Result")
Name = Annotated[str, typer.Argument(help="Name of the schedule; `wgan schedule list` shows them.")]
DECLARED = Path("infra/schedules.yaml")


@app.command()
def add(
    cron: Annotated[str, typer.Option(help="Minute, hour, day of month, month, day of week, e.g. '0 3 * * 1'.")],
    timezone: Annotated[str, typer.Option(help="IANA name, e.g. Europe/Berlin.")] = "UTC",
    preset: Preset = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the schedule; default: the data set's.", show_default=False)
    ] = None,
    if_changed: IfChanged = False,
    min_new: MinNew = None,
    if_drifted: IfDrifted = False,
    promote: Promote = True,
    overlap: Annotated[
        str, typer.Option(help="A run that is due while the previous one is running: enqueue or cancel it.")
    ] = "enqueue",
    as_json: AsJson = False,
) -> None:
    """Add a schedule; a worker (`wgan worker`) runs it."""
    from wgan.config_reading import load_config
    from wgan.errors import UsageError
    from wgan.schedules import make_schedule

    if not (preset or config):
        raise UsageError("choose what to train: --preset NAME (`wgan presets` lists them) or --config FILE.")
    resolved = load_config(preset, config, assignments or [])
    schedule = make_schedule(
        name=name or resolved.data.dataset_name,
        cron=cron,
        timezone=timezone,
        config=resolved.model_dump(mode="json"),
        if_changed=if_changed,
        min_new=min_new,
        if_drifted=if_drifted,
        promote=promote,
        overlap=overlap,
    )

    def work(server: PrefectServer, settings: Settings) -> ScheduleEntry:
        from wgan.prefect_server.operations import prepare_operations
        from wgan.prefect_server.schedule_changes import put_schedule, require_new_name
        from wgan.prefect_server.schedule_listing import read_schedule

        require_new_name(server, schedule.name)
        _check_champion(resolved, settings)
        prepare_operations(server, settings)
        put_schedule(server, schedule, settings.work_pool)
        return read_schedule(server, schedule.name)

    _say_what_it_does(_at_the_server(work), as_json)


@app.command()
def edit(
    name: Name,
    cron: Annotated[
        str | None, typer.Option(help="Minute, hour, day of month, month, day of week.", show_default=False)
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA name, e.g. Europe/Berlin.", show_default=False)] = None,
    assignments: Assignments = None,
    if_changed: Annotated[
        bool | None,
        typer.Option(
            "--if-changed/--always",
            help="Train only on data that no version was trained on yet, or without any condition.",
            show_default=False,
        ),
    ] = None,
    min_new: MinNew = None,
    if_drifted: Annotated[
        bool | None,
        typer.Option(
            "--if-drifted/--not-if-drifted",
            help="Train only if the data has moved from the champion's beyond data.rules.",
            show_default=False,
        ),
    ] = None,
    promote: Annotated[
        bool | None,
        typer.Option("--promote/--no-promote", help="Ask the gate and move the champion alias.", show_default=False),
    ] = None,
    overlap: Annotated[
        str | None,
        typer.Option(
            help="A run that is due while the previous one is running: enqueue or cancel.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the given settings of a schedule; its other settings and its past runs stay."""
    from wgan.errors import UsageError

    changes = {
        "cron": cron, "timezone": timezone, "if_changed": if_changed, "min_new": min_new, "if_drifted": if_drifted,
        "promote": promote, "overlap": overlap,
    }  # fmt: skip
    if not assignments and all(value is None for value in changes.values()):
        raise UsageError(
            "choose what to change: --cron, --timezone, --set, --if-changed, --min-new, --if-drifted, --promote or "
            "--overlap."
        )

    def work(server: PrefectServer, settings: Settings) -> ScheduleEntry:
        from wgan.prefect_server.schedule_changes import edited_schedule, put_schedule
        from wgan.prefect_server.schedule_listing import read_schedule

        schedule = edited_schedule(server, name, assignments or [], **changes)
        _check_champion(schedule.resolved(), settings)
        put_schedule(server, schedule, settings.work_pool)
        return read_schedule(server, name)

    _say_what_it_does(_at_the_server(work), as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show every schedule: when, what, the next and the last run."""

    def work(server: PrefectServer, settings: Settings) -> list[ScheduleEntry]:
        from wgan.prefect_server.schedule_listing import list_schedules

        return list_schedules(server)

    entries = _at_the_server(work)
    if as_json:
        from wgan.commands.output import print_json

        print_json({"schedules": [entry.model_dump(mode="json") for entry in entries]})
        return
    _show(entries)


@app.command()
def pause(name: Name) -> None:
    """Pause a schedule; a run in progress continues."""
    _pause(name, True)
    _print(f"Schedule {name} is paused.")


@app.command()
def resume(name: Name) -> None:
    """Resume a paused schedule."""
    _pause(name, False)
    _print(f"Schedule {name} is resumed.")


@app.command()
def run(name: Name, as_json: AsJson = False) -> None:
    """Run a schedule's job now, on a worker."""

    def work(server: PrefectServer, settings: Settings) -> tuple[str, str]:
        from wgan.prefect_server.schedule_changes import run_schedule
        from wgan.stack.prefect_login import prefect_link

        flow_run_id = run_schedule(server, name)
        return flow_run_id, prefect_link(settings, f"/runs/flow-run/{flow_run_id}")

    flow_run_id, page = _at_the_server(work)
    _say(
        {"flow_run_id": flow_run_id, "prefect_page": page},
        f"Flow run {flow_run_id} waits for a worker (`wgan worker`): {page}",
        as_json,
    )


@app.command()
def remove(name: Name) -> None:
    """Remove a schedule; its past runs, versions and data stay."""

    def work(server: PrefectServer, settings: Settings) -> None:
        from wgan.prefect_server.schedule_changes import remove_schedule

        remove_schedule(server, name)

    _at_the_server(work)
    _print(f"Schedule {name} is removed.")


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="File that declares the schedules.")] = DECLARED,
    as_json: AsJson = False,
) -> None:
    """Make the Prefect server match a file: work pool, GPU slots, automations, housekeeping, schedules.

    The same file again changes nothing. Schedules that the file does not name are left alone.
    """
    from wgan.schedules import read_declared

    declared = read_declared(file)

    def work(server: PrefectServer, settings: Settings) -> Applied:
        from wgan.prefect_server.operations import apply_declared

        server.require()
        for schedule in declared.schedules:
            _check_champion(schedule.resolved(), settings)
        return apply_declared(server, declared, settings)

    applied = _at_the_server(work)
    lines = [
        f"Pool {applied.pool}, {applied.gpu_slots} GPU slot(s), {len(applied.automations)} automations.",
        *(f"{name}: updated, started from Prefect's page" for name in applied.on_demand),
        *(f"{name}: updated" for name in applied.changed),
        *(f"{name}: unchanged" for name in applied.unchanged),
        *(f"{name}: not in {file}, left alone (`wgan schedule remove {name}`)" for name in applied.undeclared),
    ]
    _say(applied.model_dump(mode="json"), "\n".join(lines), as_json)


def _check_champion(config: RetrainConfig, settings: Settings) -> None:
    """Raise `UsageError` if a run could not be compared with the champion; warn if that is unknown."""
    from wgan.commands.extras import require_extra
    from wgan.commands.flow_session import check_champion
    from wgan.commands.output import error_console

    require_extra("pipeline")  # without it nothing is checked, and every run could be refused
    champion = check_champion(config, settings)
    if champion.remark:
        error_console.print(champion.remark, highlight=False, markup=False, soft_wrap=True)


def _pause(name: str, paused: bool) -> None:
    def work(server: PrefectServer, settings: Settings) -> None:
        from wgan.prefect_server.schedule_changes import pause_schedule

        pause_schedule(server, name, paused)

    _at_the_server(work)


def _at_the_server(work: Callable[[PrefectServer, Settings], Result]) -> Result:
    """Call `work` with a connection to the configured Prefect server."""
    from wgan.prefect_server.client import PrefectServer
    from wgan.settings import load_settings

    settings = load_settings()
    with PrefectServer(settings) as server:
        return work(server, settings)


def _show(entries: list[ScheduleEntry]) -> None:
    from wgan.commands.output import local_time, print_table

    if not entries:
        _print("There is no schedule yet: `wgan schedule add` creates one.")
        return
    rows = [
        (
            entry.name,
            f"{entry.model_name or 'cleans up'}{f', {entry.condition}' if entry.condition else ''}",
            "\n".join(entry.when),
            local_time(entry.next_run) if entry.next_run else "–",
            entry.last_run or "–",
            "its work pool is gone" if entry.work_pool is None else "paused" if entry.paused else "on",
        )
        for entry in entries
    ]
    print_table(("schedule", "retrains", "when", "next", "last", "state"), rows, typed=("schedule",))


def _say_what_it_does(entry: ScheduleEntry, as_json: bool) -> None:
    _say(
        entry.model_dump(mode="json"),
        f"Schedule {entry.name} retrains {entry.model_name} at {entry.cron} ({entry.timezone})"
        f"{f', {entry.condition}' if entry.condition else ''}; `wgan worker` runs it.",
        as_json,
    )


def _say(values: dict[str, object], text: str, as_json: bool) -> None:
    from wgan.commands.output import print_json

    if as_json:
        print_json(values)
    else:
        _print(text)


def _print(text: str) -> None:
    from wgan.commands.output import console

    console.print(text, highlight=False, markup=False, soft_wrap=True)
