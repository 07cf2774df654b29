"""`wgan compare`: two registered versions side by side, in the terminal and as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wgan.commands.options import AsJson

if TYPE_CHECKING:
    from wgan.comparison.record import Comparison


def compare(
    model: Annotated[str, typer.Argument(help="Registered model, e.g. generator-digits.")],
    first: Annotated[str, typer.Argument(metavar="V1", help="Version or alias, in the champion's place.")],
    second: Annotated[str, typer.Argument(metavar="V2", help="Version or alias, as its challenger.")],
    output: Annotated[
        Path | None, typer.Option(help="Where to write the HTML report.", show_default="comparisons/ in WGAN_HOME")
    ] = None,
    protocol: Annotated[
        Literal["quick", "standard", "paper"],
        typer.Option(
            help="quick: fewer images and seeds; standard: that of V2's run; paper: through Inception, as papers do."
        ),
    ] = "standard",
    as_json: AsJson = False,
) -> None:
    """Measure two versions side by side and write a report with pictures. Changes nothing in the registry."""
    from wgan.commands.flow_session import display, enter_environment
    from wgan.commands.output import error_console, print_json
    from wgan.settings import load_settings

    settings = load_settings()
    enter_environment(settings, "train")
    from wgan.comparison.report import comparison_html
    from wgan.registry.aliases import named_version
    from wgan.steps.compare import compare_versions
    from wgan.storage import open_storage

    numbers = [named_version(model, name, settings) for name in (first, second)]
    report = output or settings.home / "comparisons" / f"{model}-v{numbers[0]}-v{numbers[1]}.html"
    _require_writable(report)
    with display(error_console):
        found = compare_versions(model, numbers[0], numbers[1], protocol, settings, open_storage(settings))
    report.write_text(comparison_html(found), encoding="utf-8")
    if as_json:
        print_json({**found.as_json(), "report": str(report.resolve())})
    else:
        _show(found, report)


def _require_writable(report: Path) -> None:
    from wgan.errors import UsageError

    try:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.open("a").close()
    except OSError as error:
        raise UsageError(
            f"the report {report} cannot be written ({error.strerror or error}): name another file with --output."
        ) from None


def _show(found: Comparison, report: Path) -> None:
    from wgan.commands.output import console, print_table
    from wgan.metric_text.table import interval_text
    from wgan.records import Interval

    def cell(interval: Interval | None) -> str:
        return interval_text(interval) if interval else "–"

    columns = ["metric", found.first.name, found.second.name, "difference"]
    columns += ["real images", "untrained"] if found.evaluation.bounds else []
    rows = []
    for row in found.rows:
        intervals = [row.champion, row.challenger]
        bounds = [row.real_images, row.untrained] if found.evaluation.bounds else []
        cells = [
            row.title,
            *(cell(interval) for interval in intervals),
            interval_text(row.difference, sign="+") if row.difference else "–",
            *(cell(interval) for interval in bounds),
        ]
        rows.append(cells)
    print_table(columns, rows)
    verdict = "" if found.decision.promote else "not "
    judged = f"As a challenger of {found.first.name}, {found.second.name} would {verdict}be promoted:"
    console.print(judged, highlight=False, markup=False, soft_wrap=True)
    for rule in found.decision.rules:
        console.print(f"  {'[green]✓[/green]' if rule.passed else '[red]✗[/red]'} ", end="")
        console.print(rule.reason, highlight=False, markup=False, soft_wrap=True)
    console.print(f"Report: {report.resolve()}", highlight=False, markup=False, soft_wrap=True)
