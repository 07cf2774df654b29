"""The steps of a version from the gate to production: each is one entry of the ledger.

A version that passed the gate is the challenger. Its way ends as champion, refused (by a person or by a time limit),
or withdrawn (a newer version passed the gate, the champion changed, or its alias was moved).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from wgan.errors import Overtaken, UsageError
from wgan.model_version.way import approve_by, last_entry, stage_of
from wgan.records import Action, CanaryFigures, LedgerEntry
from wgan.registry.client import registry, require_version
from wgan.registry.history import History, ModelStores
from wgan.registry.ledger import is_stored
from wgan.registry.ledger_replay import ON_THE_WAY
from wgan.registry.operation import carried_out, named, new_entry
from wgan.settings import Settings
from wgan.storage import Storage

KEPT: tuple[Action, ...] = ("kept",)
Step = Literal["approved", "canary", "refused", "withdrawn"]


def standing(model: str, version: int, settings: Settings, storage: Storage) -> LedgerEntry | None:
    """The version's last ledger entry, without its decision; None if it has none.

    Raises `UsageError` if there is no such version, `WganError`.
    """
    with registry(settings) as models:
        return standing_entry(ModelStores(models, model, settings, storage, version), version)


def standing_entry(stores: ModelStores, version: int) -> LedgerEntry | None:
    """The same with a connection. What the ledger does not have is ignored: anybody can edit tags."""
    entry = last_entry(require_version(stores.models, stores.model, version).tags)
    known = entry is not None and entry.number is not None and (entry.model_name, entry.to_version) == (
        stores.model, version,
    )  # fmt: skip
    return entry if entry and known and is_stored(entry, stores.storage, stores.settings) else None


def record_step(
    model: str,
    version: int,
    action: Step,
    settings: Settings,
    storage: Storage,
    *,
    reason: str,
    flow_run_id: str | None = None,
    actor: str | None = None,
    figures: CanaryFigures | None = None,
) -> LedgerEntry:
    """Record a step of the challenger, or the end of its way; with the figures of the canary that ends it.

    A repeated call of the same flow run returns the entry it wrote before. Raises `UsageError` if the version is not
    on its way, or has not passed the gate without approval where it is to be approved; `Overtaken`, `WganError`.
    """
    with registry(settings) as models:
        require_version(models, model, version)
        stores = ModelStores(models, model, settings, storage, version)
        return _step(stores, version, action, reason, flow_run_id, actor, figures)


def promote_challenger(
    model: str,
    version: int,
    settings: Settings,
    storage: Storage,
    *,
    flow_run_id: str | None,
    reason: str | None = None,
    figures: CanaryFigures | None = None,
) -> LedgerEntry:
    """Make the challenger the champion; the reason is that of its last step unless there is another.

    A repeated call of the same flow run returns the entry it wrote before. Raises `UsageError` if the version is not on
    its way, `Overtaken` if the champion is no longer the one it was measured against, `WganError`.
    """
    with registry(settings) as models:
        require_version(models, model, version)
        stores = ModelStores(models, model, settings, storage, version)

        def entry_from(history: History) -> LedgerEntry:
            before = _require_on_its_way(stores, history, version)
            if history.champion != before.from_version:
                raise Overtaken(_compared_with_another(before, history.champion))
            return new_entry(
                history, model, version, "promoted",
                reason=reason or before.reason, plan=before.plan, figures=figures, flow_run_id=flow_run_id,
                actor=before.actor,
            )  # fmt: skip

        entry = carried_out(stores, entry_from, flow_run_id, ("promoted", "reconciled"))
        return entry.model_copy(update={"action": "promoted"})


def record_kept(
    promotion: LedgerEntry, settings: Settings, storage: Storage, *, reason: str, flow_run_id: str
) -> LedgerEntry:
    """Record that nothing was wrong in the time after a promotion.

    A repeated call of the same flow run returns the entry it wrote before. Raises `Overtaken` if the champion has
    changed since, `WganError`.
    """
    model, version = promotion.model_name, promotion.to_version
    with registry(settings) as models:
        require_version(models, model, version)
        stores = ModelStores(models, model, settings, storage, version)

        def entry_from(history: History) -> LedgerEntry:
            if history.champion != version:
                raise Overtaken(f"the champion of {model} is now {named(history.champion)}, not version {version}.")
            return new_entry(
                history, model, version, "kept",
                reason=reason, plan=promotion.plan, flow_run_id=flow_run_id, actor=None,
            )  # fmt: skip

        return carried_out(stores, entry_from, flow_run_id, KEPT)


def reason_to_withdraw(entry: LedgerEntry, aliases: dict[str, int]) -> str | None:
    """Why the challenger with that last entry cannot go on; None if it can."""
    champion, challenger = aliases.get("champion"), aliases.get("challenger")
    if champion != entry.from_version:
        return _compared_with_another(entry, champion)
    if challenger != entry.to_version:
        now = "removed" if challenger is None else f"moved to version {challenger}"
        return f"The alias challenger was {now} outside this pipeline."
    return None


def withdraw_challenger(stores: ModelStores, reason: str, but: int | None = None) -> LedgerEntry | None:
    """Withdraw the version that is on its way, unless it is the version `but`; None if there is none."""
    found = stores.models.model(stores.model)
    version = None if found is None else found.aliases.get("challenger")
    if version is None or version == but or stores.models.version(stores.model, version) is None:
        return None
    entry = standing_entry(stores, version)
    if entry is None or entry.action not in ON_THE_WAY:
        return None
    try:
        return _step(replace(stores, version=version), version, "withdrawn", reason)
    except UsageError:  # it has just ended otherwise
        return None


def _step(
    stores: ModelStores,
    version: int,
    action: Step,
    reason: str,
    flow_run_id: str | None = None,
    actor: str | None = None,
    figures: CanaryFigures | None = None,
) -> LedgerEntry:
    def entry_from(history: History) -> LedgerEntry:
        before = _require_on_its_way(stores, history, version)
        if action == "approved" and approve_by(before) is None:
            raise UsageError(f"version {version} of {stores.model} does not wait for approval: it is {before.action}.")
        return new_entry(
            history, stores.model, version, action,
            reason=reason, plan=before.plan, figures=figures, flow_run_id=flow_run_id, actor=actor,
        )  # fmt: skip

    return carried_out(stores, entry_from, flow_run_id, (action,))


def _require_on_its_way(stores: ModelStores, history: History, version: int) -> LedgerEntry:
    """The last entry of the challenger. Raises `UsageError` if the version is not on its way."""
    entry = standing_entry(stores, version)
    if entry is not None and entry.action in ON_THE_WAY:
        return entry
    tags = require_version(stores.models, stores.model, version).tags
    stage = stage_of(version, tags, history.aliases).stage
    raise UsageError(
        f"version {version} of {stores.model} is not on its way to production ({stage}): `wgan models {stores.model}` "
        "shows what waits for what."
    )


def _compared_with_another(entry: LedgerEntry, champion: int | None) -> str:
    return (
        f"The champion of {entry.model_name} is now {named(champion)}, but version {entry.to_version} was compared "
        f"with {named(entry.from_version)}: `wgan promote {entry.model_name} {entry.to_version}` compares it again."
    )
