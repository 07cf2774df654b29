"""`wgan up`, `wgan down`, `wgan status`, `wgan open`: the embedded stack."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from wgan.commands.options import AsJson
from wgan.durations import counted

if TYPE_CHECKING:
    from wgan.stack import StackStatus


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all servers are healthy; they stay up.")
    ] = False,
) -> None:
    """Start the S3, MLflow, Prefect and serving processes on this machine; Ctrl-C stops them."""
    from wgan.commands.extras import require_extra
    from wgan.settings import load_settings
    from wgan.stack import overruling, run_detached, run_here, stack_status
    from wgan.stack.prefect_login import prefect_link

    def ready(status: StackStatus, fresh: bool) -> None:
        _print_services(status)
        _print(f"MLflow's pages: {load_settings().mlflow_link('/experiments')}")
        _print(f"Prefect's pages, signed in: {prefect_link(load_settings())}")
        end = "`wgan down` stops it" if detach else "Ctrl-C stops it"
        _print(f"The stack is up; {end}." if fresh else "The stack is already up; `wgan down` stops it.")
        for variable, value in overruling(load_settings()):
            _say(f"Note: {variable} is set{value}, so the commands use that server and not the embedded one.")

    require_extra("pipeline")
    settings = load_settings()
    if not stack_status(settings).healthy:
        _say(f"Starting S3, MLflow, Prefect and serving in {settings.home.resolve()} …")
    if detach:
        ready(*run_detached(settings))
    else:
        run_here(settings, ready, _say)


def down() -> None:
    """Stop the embedded servers, however they were started, and those that a killed `wgan up` left."""
    from wgan.settings import load_settings
    from wgan.stack import take_down

    stopped, cleaned = take_down(load_settings())
    if stopped:
        _print("The stack is stopped; its data is kept.")
    elif cleaned:
        left = counted(cleaned, "process", "processes")
        _print(f"The stack was not running; a killed `wgan up` had left {left}, now stopped.")
    else:
        _print("The stack is not running.")


def status(
    as_json: AsJson = False,
) -> None:
    """Show every embedded server: address, health, process, log. Exit code 1 unless all are healthy."""
    from wgan.commands.output import print_json
    from wgan.settings import load_settings
    from wgan.stack import stack_status

    found = stack_status(load_settings())
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        if found.up:
            _print_services(found)
        _print(_sentence(found))
    if not found.healthy:
        raise typer.Exit(1)


class Page(StrEnum):
    """What `wgan open` shows."""

    PREFECT = "prefect"
    MLFLOW = "mlflow"
    PLAYGROUND = "playground"


def open_(
    page: Annotated[Page, typer.Argument(help="The page to open.")] = Page.PREFECT,
) -> None:
    """Open a page in the browser; Prefect's is signed in. Without a browser, print its address."""
    from wgan.settings import load_settings
    from wgan.stack.pages import open_page, page_address

    settings = load_settings()
    address = page_address(page.value, settings)
    if not open_page(address, settings):
        _print(address)


def _sentence(status: StackStatus) -> str:
    if status.healthy:
        return f"The stack in {status.home} is up and healthy."
    if status.up:
        return f"The stack in {status.home} is running, but not every server is healthy."
    parts = [f"The stack in {status.home} is not running: start it with `wgan up`."]
    if status.leftovers:
        numbers = ", ".join(str(pid) for pid in status.leftovers)
        one = len(status.leftovers) == 1
        left = f"process {numbers}: `wgan down` stops it" if one else f"processes {numbers}: `wgan down` stops them"
        parts.append(f"A killed `wgan up` left {left}.")
    return "\n".join(parts)


def _print_services(status: StackStatus) -> None:
    for service in status.services:
        health = "healthy" if service.healthy else "NOT healthy"
        process = f"process {service.pid}" if service.pid else "no process"
        _print(f"{service.title:<10}  {service.url:<22}  {health:<11}  {process}, log {service.log}")
        if service.trouble:
            _print(f"{'':<10}  {service.trouble}")


def _print(text: str) -> None:
    from wgan.commands.output import console

    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _say(text: str) -> None:
    from wgan.commands.output import error_console

    error_console.print(text, highlight=False, markup=False, soft_wrap=True)
