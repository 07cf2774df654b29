"""The study's report: one self-contained HTML file, and markdown with its figures as files."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import jinja2

from wgan import __version__
from wgan.errors import WganError
from wgan.study.drawing import draw_chart
from wgan.study.records import Chart, StudyOutcome, Table

HTML, MARKDOWN, RESULTS, FIGURES = "report.html", "report.md", "results.json", "figures"


def write_report(outcome: StudyOutcome, folder: Path) -> Path:
    """Write `report.html`, `report.md`, `figures/*.png` and `results.json`; returns the HTML file.

    Raises `WganError` if the folder is not writable.
    """
    figures = {chart.name: draw_chart(chart) for result in outcome.results for chart in result.charts}
    try:
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        for name, content in figures.items():
            (folder / FIGURES / f"{name}.png").write_bytes(content)
        (folder / MARKDOWN).write_text(markdown_report(outcome, lambda chart: f"{FIGURES}/{chart.name}.png"))
        (folder / HTML).write_text(html_report(outcome, figures))
        (folder / RESULTS).write_text(outcome.model_dump_json(indent=1))
    except OSError as error:
        raise WganError(
            f"the report cannot be written to {folder} ({error.strerror or error}): name another folder with --output."
        ) from None
    return folder / HTML


def html_report(outcome: StudyOutcome, figures: dict[str, bytes]) -> str:
    """The whole report in one file; `figures` are PNG bytes by the charts' names."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wgan.study", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    inline = {name: base64.b64encode(content).decode() for name, content in figures.items()}
    template = environment.get_template("report.html.j2")
    return template.render(
        outcome=outcome, figures=inline, summary=summary(outcome), verdict=verdict, version=__version__
    )


def markdown_report(outcome: StudyOutcome, figure: Callable[[Chart], str]) -> str:
    """The report as markdown; `figure` gives the path of a chart's picture."""
    parts = ["# The paper's claims, reproduced", summary(outcome), _overview(outcome)]
    for result in outcome.results:
        claim = result.claim
        parts += [
            f"## {claim.number}. {claim.title}: {verdict(result.holds)}",
            f"**The paper** ({claim.source}): {claim.statement}",
            f"**Counts as holding when**: {claim.criterion}",
            f"**What was run**: {result.protocol}",
            f"**What came out**: {result.finding}",
            markdown_table(result.table),
            *(f"![{chart.caption}]({figure(chart)})\n\n*{chart.caption}*" for chart in result.charts),
            f"{result.seconds:,.0f} s, {result.cpu_seconds:,.0f} CPU seconds.",
        ]
    return "\n\n".join(parts) + "\n"


def summary(outcome: StudyOutcome) -> str:
    """How many claims held, on which data, and the time taken."""
    held = sum(result.holds for result in outcome.results)
    about = f" Images: {outcome.digits}." if outcome.digits else ""
    wall, cpu = (
        sum(result.seconds for result in outcome.results) / 60,
        sum(result.cpu_seconds for result in outcome.results) / 60,
    )
    return (
        f"{held} of {len(outcome.results)} claims of Arjovsky, Chintala and Bottou, Wasserstein GAN (ICML 2017), held "
        f"in the {outcome.size} form of the study, first seed {outcome.seed}.{about} "
        f"It took {wall:.1f} minutes and {cpu:.1f} minutes of processor time."
    )


def verdict(holds: bool) -> str:
    """The verdict, in at most two words."""
    return "holds" if holds else "does not hold here"


def markdown_table(table: Table) -> str:
    """A markdown table."""
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)


def _overview(outcome: StudyOutcome) -> str:
    rows = tuple(
        (f"{result.claim.number}. {result.claim.title}", verdict(result.holds), result.finding)
        for result in outcome.results
    )
    return markdown_table(Table(columns=("claim", "here it", "what came out"), rows=rows))
