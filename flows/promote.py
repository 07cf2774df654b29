"""Manual promotion of a registered version, through the same gate."""

from __future__ import annotations

from prefect import flow

from flows.endings import ended, named_endings
from tasks.evaluation import decide_promotion, evaluate_registered
from tasks.registry import find_version, promote_generator, read_configuration, require_comparable
from tasks.serving import confirm_serving, roll_back_refused
from wgan.errors import UsageError
from wgan.records import GateDecision, LedgerEntry


@flow(name="promote", flow_run_name="{model_name} version {version}", persist_result=True)
@named_endings()
def promote(
    model_name: str,
    version: int,
    force: bool = False,
    reason: str | None = None,
    dry_run: bool = False,
    actor: str | None = None,
) -> LedgerEntry | GateDecision:
    """Measure the version and today's champion side by side, apply the gate, and promote if it passes or is forced.

    If serving then refuses it, it is rolled back, and the rollback is returned. A dry run returns the gate's decision
    and changes nothing.

    Args:
        model_name: Registered model, e.g. generator-digits.
        version: Number of the version to promote.
        force: Promote regardless of the gate; needs a reason.
        reason: Why, for the ledger.
        dry_run: Measure and decide; change nothing.
        actor: Who asks for it, for the ledger.
    """
    if force and not (reason and reason.strip()):
        raise UsageError("force needs a reason: the ledger records why the gate was overruled.")
    registered = find_version(model_name, version)
    config = read_configuration(registered)
    require_comparable(config)
    measured = evaluate_registered(config, registered)
    decision = decide_promotion(config.promotion, measured)
    if dry_run:
        return decision
    promotion = promote_generator(measured, decision, force=force, reason=reason, actor=actor, rules=config.promotion)
    return ended(roll_back_refused(promotion, confirm_serving(promotion)))
