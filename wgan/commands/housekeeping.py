"""`wgan housekeeping`: removes everything that is no longer referred to, or lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wgan.commands.options import AsJson
from wgan.durations import counted

if TYPE_CHECKING:
    from wgan.housekeeping.report import HousekeepingReport


def housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing; show what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what is no longer referred to: old checkpoints, data sets, results, uploads and local copies."""
    from wgan.commands.flow_session import enter_environment, require_servers, run_flow_here
    from wgan.commands.output import print_json
    from wgan.errors import WganError
    from wgan.settings import load_settings

    settings = load_settings()
    enter_environment(settings)
    require_servers(settings)
    from flows.housekeeping import housekeeping as housekeeping_flow
    from wgan.housekeeping.report import HousekeepingReport

    report = HousekeepingReport.model_validate(run_flow_here(lambda: housekeeping_flow(dry_run), settings))
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show(report)
    if report.failures:
        left = counted(len(report.failures), "thing was", "things were")
        raise WganError(
            f"{left} not removed, the first {report.failures[0].rstrip('.')}; the next clean-up tries again."
        )


def _show(report: HousekeepingReport) -> None:
    from wgan.commands.output import console, print_table
    from wgan.housekeeping.report import headings, table_rows

    if report.stopped:
        console.print(f"Nothing was done: {report.stopped}", highlight=False, markup=False)
        return
    print_table(headings(report), table_rows(report))
    for rule in report.rules:
        for name in rule.names:
            verb = "would remove" if report.dry_run else "removed"
            console.print(f"{verb} {name}", highlight=False, markup=False, soft_wrap=True)
        if rule.note:
            console.print(f"{rule.rule}: {rule.note}", highlight=False, markup=False)
    for failure in report.failures:
        console.print(f"not removed: {failure}", highlight=False, markup=False, soft_wrap=True)
