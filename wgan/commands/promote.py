"""`wgan promote`, `approve`, `refuse` and `rollback`: a version's way to production and back, through the ledger."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wgan.commands.options import AsJson

if TYPE_CHECKING:
    from wgan.records import GateDecision, LedgerEntry


Model = Annotated[str, typer.Argument(help="Registered model, e.g. generator-digits.")]
Why = Annotated[str, typer.Option(help="Why, for the ledger.", show_default=False)]


def promote(
    model: Model,
    version: Annotated[int, typer.Argument(help="Version to promote.", min=1)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and decide; change nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Promote regardless of the gate; needs --reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the ledger.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a version against the champion and promote it if the gate agrees. Exit code 3: refused."""
    from wgan.commands.flow_session import enter_environment, require_servers, run_flow_here
    from wgan.errors import UsageError
    from wgan.records import GateDecision
    from wgan.settings import load_settings

    if force and not (reason and reason.strip()):
        raise UsageError("--force needs --reason TEXT: the ledger records why the gate was overruled.")
    if force and dry_run:
        raise UsageError("--force and --dry-run exclude each other: a dry run changes nothing.")
    settings = load_settings()
    enter_environment(settings)
    require_servers(settings)
    from wgan.registry.client import registry, require_version

    with registry(settings) as models:
        require_version(models, model, version)  # a typo is reported before torch is loaded
    from flows.promote import promote as promote_flow

    outcome = run_flow_here(
        lambda: promote_flow(model, version, force, reason, dry_run, actor=getpass.getuser()), settings
    )
    if isinstance(outcome, GateDecision):
        _show_decision(outcome, model, version, as_json)
        refused = not outcome.promote
    else:
        _show_entry(outcome, as_json)
        refused = outcome.action not in ("promoted", "passed")
    if refused:
        raise typer.Exit(3)


def rollback(
    model: Model,
    to: Annotated[
        int | None, typer.Option(help="Version to serve again; default: the previous champion.", min=1)
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "rolled back manually",
    as_json: AsJson = False,
) -> None:
    """Make the previous champion, or the version given with --to, the champion again."""
    from wgan.commands.extras import require_extra
    from wgan.settings import load_settings

    require_extra("pipeline")
    settings = load_settings()
    from wgan.steps.roll_back import roll_back
    from wgan.storage import open_storage

    entry = roll_back(model, to, settings, open_storage(settings), reason=reason, actor=getpass.getuser())
    _show_entry(entry, as_json)


def approve(
    model: Model,
    version: Annotated[int, typer.Argument(help="Version that waits for approval.", min=1)],
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Approve a version that passed the gate: it goes on to production."""
    _decide(model, version, "approved", reason, as_json)


def refuse(
    model: Model,
    version: Annotated[int, typer.Argument(help="Version on its way to production.", min=1)],
    reason: Why,
    as_json: AsJson = False,
) -> None:
    """Refuse a version that passed the gate: it loses the alias challenger, and the champion stays."""
    _decide(model, version, "refused", reason, as_json)


def _decide(model: str, version: int, action: Literal["approved", "refused"], reason: str, as_json: bool) -> None:
    from wgan.commands.extras import require_extra
    from wgan.errors import UsageError
    from wgan.settings import load_settings

    if not reason.strip():
        raise UsageError("--reason needs a text: the ledger records why.")
    require_extra("pipeline")
    settings = load_settings()
    from wgan.steps.approve import decide
    from wgan.storage import open_storage

    entry = decide(model, version, action, settings, open_storage(settings), reason=reason, actor=getpass.getuser())
    _show_entry(entry, as_json)


def _show_decision(decision: GateDecision, model: str, version: int, as_json: bool) -> None:
    from wgan.commands.output import console, print_json

    if as_json:
        print_json({"model_name": model, "version": version, "dry_run": True, **decision.model_dump(mode="json")})
        return
    console.print(f"{model} version {version} would {'' if decision.promote else 'not '}be promoted:", highlight=False)
    _show_rules(decision)


def _show_entry(entry: LedgerEntry, as_json: bool) -> None:
    from wgan.commands.output import console, print_json
    from wgan.model_version.way import challenger_stage

    if as_json:
        print_json(entry.model_dump(mode="json"))
        return
    former = f" (before: version {entry.from_version})" if entry.from_version else ""
    words = {
        "passed": "passed the gate and is the challenger",
        "approved": "is approved",
        "kept": "stays the champion",
        "promoted": "is the champion",
        "rolled-back": "is the champion again",
        "refused": "was refused",
    }
    console.print(
        f"{entry.model_name} version {entry.to_version} {words.get(entry.action, entry.action)}{former}.",
        highlight=False,
    )
    if entry.action == "passed":
        console.print(f"It waits for {challenger_stage(entry).waits_for}.", highlight=False, markup=False)
    if entry.decision is not None:
        _show_rules(entry.decision)
    else:
        console.print(entry.reason, highlight=False, markup=False)


def _show_rules(decision: GateDecision) -> None:
    from wgan.commands.output import console

    for rule in decision.rules:
        console.print(f"  {'[green]✓[/green]' if rule.passed else '[red]✗[/red]'} ", end="")
        console.print(rule.reason, highlight=False, markup=False, soft_wrap=True)
