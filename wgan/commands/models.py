"""`wgan models`: what is registered, what is in production, and its history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from wgan.commands.options import AsJson

if TYPE_CHECKING:
    from wgan.records import LedgerEntry
    from wgan.registry.listing import ModelEntry, VersionEntry, VersionList


def models(
    model: Annotated[
        str | None, typer.Argument(help="Registered model, e.g. generator-digits; without it: all models.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Show the ledger: every step of the model's versions.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many versions or ledger entries to show: the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List registered models, or one model's versions with aliases, metrics and where each is on its way."""
    from wgan.commands.extras import require_extra
    from wgan.errors import UsageError
    from wgan.settings import load_settings

    if history and model is None:
        raise UsageError("--history needs a model: wgan models MODEL --history.")
    require_extra("pipeline")
    settings = load_settings()
    from wgan.commands.output import console, print_json
    from wgan.registry.listing import list_models, list_versions

    if model is None:
        found = list_models(settings)
        if as_json:
            print_json({"models": [entry.model_dump(mode="json") for entry in found]})
        else:
            _show_models(found)
    elif history:
        from wgan.registry.history import newest_entries
        from wgan.storage import open_storage

        entries, more = newest_entries(model, limit, settings, open_storage(settings))
        if not entries:
            list_versions(model, 1, settings)  # raises for a name that is not registered
        if as_json:
            shown = [entry.model_dump(mode="json") for entry in entries]
            print_json({"model_name": model, "history": shown, "more": more})
        else:
            _show_history(model, entries, more)
    else:
        from wgan.registry.alias_faults import model_fault

        versions, fault = list_versions(model, limit, settings), model_fault(model, settings)
        if as_json:
            print_json({"model_name": model, "fault": fault, **versions.model_dump(mode="json")})
        else:
            _show_versions(model, versions)
            if fault is not None:
                console.print(fault, highlight=False, markup=False)


def _show_models(found: list[ModelEntry]) -> None:
    rows = [
        (
            entry.name,
            *(_number(number) for number in (entry.champion, entry.challenger, entry.previous)),
            _number(entry.latest_version),
            _when(entry.updated),
        )
        for entry in found
    ]
    _show(
        ("model", "champion", "challenger", "previous", "latest", "changed"),
        rows,
        "no model is registered yet: `wgan retrain` creates one.",
    )


def _show_versions(model: str, found: VersionList) -> None:
    rows = [
        (
            str(entry.version),
            "\n".join(entry.aliases),
            _when(entry.created),
            "\n".join(
                f"{name} {metric.mean:.4g} [{metric.low:.4g}, {metric.high:.4g}]"
                for name, metric in entry.metrics.items()
            ),
            "\n".join(_way(entry)),
        )
        for entry in found.versions
    ]
    _show(("version", "aliases", "registered", "metrics [interval]", "way"), rows, f"{model} has no versions.")
    if found.more:
        _print_more("Older versions")


def _way(entry: VersionEntry) -> Iterator[str]:
    """Lines: the last step of a version, why, and what it waits for."""
    if entry.gate is None:
        yield "not judged by the gate"
        return
    yield f"{entry.gate} {_when(entry.gate_time)}" if entry.gate_time else entry.gate
    yield entry.gate_reason or ""
    if entry.stage.waits_for is not None:
        until = f" (until {_when(entry.stage.until)})" if entry.stage.until else ""
        yield f"waits for {entry.stage.waits_for}{until}"


def _show_history(model: str, entries: list[LedgerEntry], more: bool) -> None:
    from wgan.registry.ledger_replay import moves_champion

    rows = [
        (
            _when(entry.time),
            f"{entry.action}{' by force' if entry.forced else ''}",
            f"{_number(entry.from_version)} → {entry.to_version}" if moves_champion(entry) else str(entry.to_version),
            entry.actor or "",
            entry.reason,
        )
        for entry in entries
    ]
    _show(("when", "what", "version", "who", "why"), rows, f"{model} was never promoted: its ledger is empty.")
    if more:
        _print_more("Earlier entries")


def _show(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], otherwise: str) -> None:
    from wgan.commands.output import console, print_table

    if not rows:
        console.print(otherwise, highlight=False)
        return
    print_table(columns, rows, typed=("model", "version", "aliases"))


def _print_more(what: str) -> None:
    from wgan.commands.output import console

    console.print(f"{what} are not shown: --limit N shows more.", highlight=False)


def _number(version: int | None) -> str:
    return "–" if version is None else str(version)


def _when(time: datetime) -> str:
    from wgan.commands.output import local_time

    return local_time(time)
