"""Serving: after a promotion, checks that every serving process serves the new version, or rolls it back."""

from __future__ import annotations

import logging

from prefect.logging import get_run_logger

from tasks.connections import connect
from tasks.events import emit_ledger_event
from tasks.retrying import retried_task
from wgan.errors import Overtaken
from wgan.records import LedgerEntry, ServingCheck
from wgan.registry.promotion import rollback
from wgan.steps.confirm_serving import confirm_promotion
from wgan.tracking.names import name_judged_runs


@retried_task("confirm serving")
def confirm_serving(promotion: LedgerEntry) -> tuple[ServingCheck, ...]:
    """Wait until each process of WGAN_SERVING_URLS serves the version correctly; no checks for a refusal."""
    if promotion.action != "promoted":
        return ()
    settings, _ = connect()
    checks = confirm_promotion(promotion, settings)
    logger = get_run_logger()
    if not checks:
        logger.info("No serving process is configured (WGAN_SERVING_URLS): nothing to wait for.")
    for check in checks:
        logger.log(
            logging.INFO if check.outcome == "confirmed" else logging.WARNING,
            "%s: %s after %.1f s: %s.",
            check.url,
            check.outcome,
            check.seconds,
            check.reason,
        )
    return checks


@retried_task("roll back refused")
def roll_back_refused(promotion: LedgerEntry, checks: tuple[ServingCheck, ...]) -> LedgerEntry:
    """Restore the champion from before the promotion if a serving process refused the version.

    Returns the rollback, or the promotion if nothing was refused, there was no champion before, or another operation
    has moved the champion since.
    """
    refused = [f"{check.url}: {check.reason}" for check in checks if check.outcome == "refused"]
    if not refused:
        return promotion
    reason = f"serving refused version {promotion.to_version} ({'; '.join(refused)})"
    if promotion.from_version is None:
        get_run_logger().error("%s; there is no champion before it to go back to.", reason)
        return promotion
    settings, storage = connect()
    try:
        entry = rollback(
            promotion.model_name,
            promotion.from_version,
            settings,
            storage,
            reason=reason,
            flow_run_id=promotion.flow_run_id,
            actor="serving check",
            undoing=promotion,
        )
    except Overtaken as error:
        get_run_logger().warning("%s; %s", reason, error)
        return promotion
    emit_ledger_event(entry)
    name_judged_runs(entry, settings)
    return entry
