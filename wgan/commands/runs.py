"""`wgan runs` and `wgan logs`: list runs and how they ended, and show a run's log."""

from __future__ import annotations

from typing import Annotated

import typer

from wgan.commands.options import AsJson


def runs(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs: how each ended and why, or how far it is and about how much time is left."""
    from wgan.commands.output import console, local_time, print_json, print_table
    from wgan.prefect_server.client import PrefectServer
    from wgan.prefect_server.runs import list_runs
    from wgan.settings import load_settings

    with PrefectServer(load_settings()) as server:
        found = list_runs(server, limit)
    if as_json:
        print_json({"runs": [entry.model_dump(mode="json") for entry in found]})
        return
    if not found:
        console.print("Nothing has run yet: `wgan retrain --preset digits` starts the first run.")
        return
    rows = [
        (
            entry.id[:8],
            entry.flow,
            entry.name,
            local_time(entry.began) if entry.began else "–",
            entry.state,
            entry.progress or entry.message,
        )
        for entry in found
    ]
    print_table(("run", "flow", "what", "began", "state", "why, or how far"), rows, typed=("run",))


def logs(
    run: Annotated[str, typer.Argument(help="Id of a run, or its beginning; `wgan runs` lists them.")],
    as_json: AsJson = False,
) -> None:
    """Show the log of a run."""
    from wgan.commands.output import print_json, print_line
    from wgan.prefect_server.client import PrefectServer
    from wgan.prefect_server.runs import find_run, read_log
    from wgan.settings import load_settings

    with PrefectServer(load_settings()) as server:
        found = find_run(server, run)
        lines = read_log(server, found.id)
        if as_json:
            values = [line.model_dump(mode="json") for line in lines]
            print_json({"run": found.model_dump(mode="json"), "lines": values})
            return
        for line in lines:
            print_line(f"{line.time.astimezone():%Y-%m-%d %H:%M:%S %Z}  {line.text}")
