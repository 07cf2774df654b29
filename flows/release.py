"""A version's way from the gate to production: approval, canary, promotion, and the watch after it."""

from __future__ import annotations

from prefect import flow

from flows.endings import ended, named_endings
from tasks.approval import ask_for_approval
from tasks.release import (
    begin_canary,
    end_wait,
    find_standing,
    has_canary,
    has_expired,
    is_on_its_way,
    is_promoted_here,
    is_watched,
    promote_challenger,
    publish_question,
    record_decision,
    settle_canary,
    settle_watch,
    waits_for_approval,
    watch_canary,
    watch_champion,
)
from tasks.report import announce_run
from tasks.restarts import end_tasks_of_dead_processes, stop_after_many_starts
from tasks.serving import confirm_serving, roll_back_refused
from wgan.records import LedgerEntry


@flow(
    name="release",
    flow_run_name="{model_name} version {version}",
    persist_result=True,
    on_running=[announce_run],
)
@named_endings()
def release(model_name: str, version: int, approve_by: str | None = None) -> LedgerEntry:
    """Take a version that passed the gate to production; where it is on its way is in the ledger.

    Args:
        model_name: Registered model, e.g. generator-digits.
        version: The version that passed the gate.
        approve_by: When a wait for approval ends by itself, ISO 8601; None: it needs none.
    """
    stop_after_many_starts()
    end_tasks_of_dead_processes()
    entry, end = find_standing(model_name, version), None
    if waits_for_approval(entry):
        if has_expired(entry):
            return ended(end_wait(entry))
        publish_question(entry)
        entry = record_decision(entry, ask_for_approval(entry))
    if has_canary(entry):
        entry = entry if entry.action == "canary" else begin_canary(entry)
        end = watch_canary(entry)
        entry = settle_canary(entry, end)
    if is_on_its_way(entry) or is_promoted_here(entry):
        promotion = promote_challenger(entry, end)
        entry = roll_back_refused(promotion, confirm_serving(promotion))
        if is_watched(entry):
            entry = settle_watch(entry, watch_champion(entry))
    return ended(entry)
