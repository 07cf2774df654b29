"""`wgan up`, `wgan down`, `wgan status`: the embedded stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wgan.stack import StackStatus


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all servers are healthy; they stay up.")
    ] = False,
) -> None:
    """Start the S3, MLflow and Prefect servers on this machine; Ctrl-C stops them."""
    from wgan.commands.output import error_console
    from wgan.settings import load_settings
    from wgan.stack import run_detached, run_here

    def say(text: str) -> None:
        error_console.print(text, highlight=False, markup=False, soft_wrap=True)

    settings = load_settings()
    say(f"Starting S3, MLflow and Prefect in {settings.home.resolve()} (the first start takes a little longer) …")
    if detach:
        status, fresh = run_detached(settings)
        _show(status, "The stack is up; `wgan down` stops it." if fresh else "The stack is already up.")
        return

    def ready(status: StackStatus, fresh: bool) -> None:
        _show(status, "The stack is up; Ctrl-C stops it." if fresh else "The stack is already up.")

    run_here(settings, ready, say)


def down() -> None:
    """Stop the embedded servers, however they were started, and clear away what a killed `up` left."""
    from wgan.commands.output import console
    from wgan.settings import load_settings
    from wgan.stack import take_down

    settings = load_settings()
    stopped, cleaned = take_down(settings)
    if stopped:
        console.print("The stack is stopped; its data stays.")
    elif cleaned:
        console.print(f"The stack was not running; {cleaned} process(es) that a killed `wgan up` left are stopped.")
    else:
        console.print("The stack is not running.")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Show every embedded server: address, health, process, log. Exit code 1 unless all are healthy."""
    from wgan.commands.output import print_json
    from wgan.settings import load_settings
    from wgan.stack import stack_status

    found = stack_status(load_settings())
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show(found, _sentence(found))
    if not found.healthy:
        raise typer.Exit(1)


def _sentence(status: StackStatus) -> str:
    if status.healthy:
        return f"The stack in {status.home} is up and healthy."
    if status.up:
        return f"The stack in {status.home} is running, but not every server is healthy."
    parts = [f"The stack in {status.home} is not running: start it with `wgan up`."]
    if status.leftovers:
        numbers = ", ".join(str(pid) for pid in status.leftovers)
        parts.append(f"A killed `wgan up` left process(es) {numbers}: `wgan down` stops them.")
    if status.failure:
        parts.append(f"It stopped by itself: {status.failure}")
    return "\n".join(parts)


def _show(status: StackStatus, sentence: str) -> None:
    from rich.table import Table

    from wgan.commands.output import console

    if status.up:
        table = Table("server", "address", "health", "process", "log")
        for service in status.services:
            health = "[green]healthy[/green]" if service.healthy else "[red]not healthy[/red]"
            for column in ("address", "log"):
                table.columns[("server", "address", "health", "process", "log").index(column)].overflow = "fold"
            table.add_row(service.title, service.url, health, str(service.pid or "-"), str(service.log))
        console.print(table)
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)
