"""`wgan study`: reproduces the paper's claims, and reports the results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from wgan.commands.options import AsJson

if TYPE_CHECKING:
    from wgan.settings import Settings
    from wgan.study.records import StudyOutcome
    from wgan.study.sizes import SizeName

CLAIM_COUNT = 7
SIZE = (
    "tiny: a few steps, to test the machinery only; short: minutes, the default; medium: hours, with the modes' "
    "published deviation; full: as long as the papers train."
)


def study(
    size: Annotated[Literal["tiny", "short", "medium", "full"] | None, typer.Option(help=SIZE)] = None,
    claims: Annotated[str | None, typer.Option(help="Claims to test, e.g. 3,7; default: all.")] = None,
    seed: Annotated[int, typer.Option(help="First of the consecutive seeds.", min=0, max=2**30)] = 0,
    output: Annotated[Path, typer.Option(help="Folder for report.html, report.md and the figures.")] = Path(
        "study-report"
    ),
    resume: Annotated[
        UUID | None, typer.Option(help="Resume an earlier flow run; its finished trainings are not repeated.")
    ] = None,
    merge: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Test nothing: join the claims of earlier reports; give it once for each."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test the paper's claims by experiment and report for each whether it holds."""
    from wgan.errors import UsageError
    from wgan.settings import load_settings
    from wgan.study.sizes import parse_claims

    if resume and (size or claims or seed):
        raise UsageError("--resume uses the options of its flow run: leave out --size, --claims and --seed.")
    numbers = parse_claims(claims, CLAIM_COUNT) if claims else tuple(range(1, CLAIM_COUNT + 1))
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file: name a folder.")
    if merge:
        if resume or size or claims or seed:
            raise UsageError("--merge joins finished reports: leave out every other option but --output and --json.")
        from wgan.study.merge import merged, read_outcome

        _show(merged([read_outcome(folder) for folder in merge]), output, None, as_json)
        return
    settings = load_settings()
    outcome = _run(size or "short", numbers, seed, resume, settings)
    _show(outcome, output, settings, as_json)


def _run(size: SizeName, claims: tuple[int, ...], seed: int, resume: UUID | None, settings: Settings) -> StudyOutcome:
    from wgan.commands.flow_session import enter_environment, require_servers, run_flow_here
    from wgan.commands.output import error_console

    enter_environment(settings, "train")
    require_servers(settings)
    error_console.print("Loading torch, Prefect and MLflow …")
    from flows.running import resume as resume_flow
    from flows.study import study as study_flow
    from wgan.study.records import StudyOutcome

    def start() -> Any:
        return resume_flow(study_flow, resume) if resume else study_flow(size, claims, seed)

    return StudyOutcome.model_validate(run_flow_here(start, settings))


def _show(outcome: StudyOutcome, output: Path, settings: Settings | None, as_json: bool) -> None:
    """Write the report and print it; with settings, the study's run in MLflow, too."""
    from wgan.commands.output import console, print_json
    from wgan.study.report import summary, verdict, write_report
    from wgan.tracking.run_status import run_url

    report = write_report(outcome, output).resolve()
    mlflow_page = run_url(settings, outcome.mlflow_run_id) if settings else None
    if as_json:
        claims = [
            {
                "claim": result.claim.number,
                "title": result.claim.title,
                "holds": result.holds,
                "finding": result.finding,
                "seconds": result.seconds,
                "cpu_seconds": result.cpu_seconds,
            }
            for result in outcome.results
        ]
        print_json({"report": str(report), "mlflow_page": mlflow_page, "claims": claims})
        return
    for result in outcome.results:
        mark = "[green]✓[/green]" if result.holds else "[red]✗[/red]"
        console.print(f"{mark} {result.claim.number}. {result.claim.title}: {verdict(result.holds)}", highlight=False)
        console.print(f"   {result.finding}", highlight=False, markup=False, soft_wrap=True)
    console.print(summary(outcome), highlight=False, markup=False, soft_wrap=True)
    console.print(f"report  {report}", highlight=False, markup=False, soft_wrap=True)
    if mlflow_page:
        console.print(f"MLflow  {mlflow_page}", highlight=False, markup=False, soft_wrap=True)
