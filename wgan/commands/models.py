"""`wgan models`: what is registered, what is in production, and its history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from wgan.commands.options import AsJson

if TYPE_CHECKING:
    from wgan.records import LedgerEntry
    from wgan.registry.listing import ModelEntry, VersionEntry


def models(
    model: Annotated[
        str | None, typer.Argument(help="Registered model, e.g. generator-digits; without it: all models.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Show the ledger: every promotion, refusal and rollback of the model.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List registered models, or one model's versions with aliases, metrics and the gate's decision."""
    from wgan.commands.extras import require_extra
    from wgan.errors import UsageError
    from wgan.settings import load_settings

    if history and model is None:
        raise UsageError("--history needs a model: wgan models MODEL --history.")
    require_extra("pipeline")
    settings = load_settings()
    from wgan.commands.output import print_json
    from wgan.registry.listing import list_models, list_versions

    if model is None:
        found = list_models(settings)
        if as_json:
            print_json({"models": [entry.model_dump(mode="json") for entry in found]})
        else:
            _show_models(found)
    elif history:
        from wgan.registry import ledger
        from wgan.storage import open_storage

        entries = ledger.read(model, open_storage(settings), settings)
        if not entries:
            list_versions(model, settings)  # raises for a name that is not registered
        if as_json:
            print_json({"model_name": model, "history": [entry.model_dump(mode="json") for entry in entries]})
        else:
            _show_history(model, entries)
    else:
        versions = list_versions(model, settings)
        if as_json:
            print_json({"model_name": model, "versions": [entry.model_dump(mode="json") for entry in versions]})
        else:
            _show_versions(model, versions)


def _show_models(found: list[ModelEntry]) -> None:
    rows = [
        (
            entry.name,
            *(_number(number) for number in (entry.champion, entry.challenger, entry.previous)),
            str(entry.versions),
            _when(entry.updated),
        )
        for entry in found
    ]
    _show(
        ("model", "champion", "challenger", "previous", "versions", "changed"),
        rows,
        "no model is registered yet: `wgan retrain` creates one.",
    )


def _show_versions(model: str, versions: list[VersionEntry]) -> None:
    rows = [
        (
            str(entry.version),
            "\n".join(entry.aliases),
            _when(entry.created),
            "\n".join(
                f"{name} {metric.mean:.4g} [{metric.low:.4g}, {metric.high:.4g}]"
                for name, metric in entry.metrics.items()
            ),
            "not judged by the gate"
            if entry.gate is None
            else f"{entry.gate}{f' {_when(entry.gate_time)}' if entry.gate_time else ''}\n{entry.gate_reason or ''}",
        )
        for entry in versions
    ]
    _show(("version", "aliases", "registered", "metrics [interval]", "gate"), rows, f"{model} has no versions.")


def _show_history(model: str, entries: list[LedgerEntry]) -> None:
    rows = [
        (
            _when(entry.time),
            f"{entry.action}{' by force' if entry.forced else ''}",
            f"{_number(entry.from_version)} → {entry.to_version}"
            if entry.action != "refused"
            else str(entry.to_version),
            entry.actor or "",
            entry.reason,
        )
        for entry in entries
    ]
    _show(("when", "what", "version", "who", "why"), rows, f"{model} was never promoted: its ledger is empty.")


def _show(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], otherwise: str) -> None:
    from wgan.commands.output import console, print_table

    if not rows:
        console.print(otherwise, highlight=False)
        return
    print_table(columns, rows, typed=("model", "version", "aliases"))


def _number(version: int | None) -> str:
    return "–" if version is None else str(version)


def _when(time: datetime) -> str:
    from wgan.commands.output import local_time

    return local_time(time)
