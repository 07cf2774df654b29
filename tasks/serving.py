"""Serving: after a promotion, every configured serving process draws the new version, or it is taken back."""

from __future__ import annotations

from prefect.logging import get_run_logger

from tasks.connections import connect
from tasks.retrying import retried_task
from wgan.records import PromotionRef, ServingCheck
from wgan.serving.confirmation import confirm_promotion


@retried_task("confirm serving")
def confirm_serving(promotion: PromotionRef) -> tuple[ServingCheck, ...]:
    """Wait until each process of WGAN_SERVING_URLS draws the version as it was registered; none for a refusal."""
    if promotion.action != "promoted":
        return ()
    settings, _ = connect()
    checks = confirm_promotion(promotion, settings)
    logger = get_run_logger()
    if not checks:
        logger.info("No serving process is configured (WGAN_SERVING_URLS): nothing to wait for.")
    for check in checks:
        logger.log(
            20 if check.outcome == "confirmed" else 30,
            "%s: %s after %.1f s: %s.",
            check.url,
            check.outcome,
            check.seconds,
            check.reason,
        )
    return checks


def refusal(checks: tuple[ServingCheck, ...]) -> str | None:
    """Why the version must be taken back, in one sentence; None when no process refused it."""
    refused = [f"{check.url}: {check.reason}" for check in checks if check.outcome == "refused"]
    return f"serving refused the version ({'; '.join(refused)})" if refused else None
