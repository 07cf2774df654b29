"""`wgan doctor`: checks whether everything a run needs is here, and says how to fix what is not."""

from __future__ import annotations

import typer

from wgan.commands.options import AsJson
from wgan.durations import counted


def doctor(
    as_json: AsJson = False,
) -> None:
    """Check versions, ports, disk, storage, both servers and the device. Exit code 1 if a check fails."""
    from wgan.commands.diagnosis import examine
    from wgan.commands.output import console, print_json
    from wgan.settings import load_settings

    report = examine(load_settings())
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        for check in report.checks:
            mark = {"ok": "[green]✓[/green]", "info": "[cyan]i[/cyan]", "failed": "[red]✗[/red]"}[check.outcome]
            console.print(f"{mark} {check.name}: ", end="")
            console.print(check.finding, highlight=False, markup=False, soft_wrap=True)
            if check.remedy:
                console.print(f"    → {check.remedy}", highlight=False, markup=False, soft_wrap=True)
        failed = sum(check.outcome == "failed" for check in report.checks)
        console.print("All checks passed." if report.healthy else f"{counted(failed, 'check')} failed.")
    if not report.healthy:
        raise typer.Exit(1)
