"""Prepares a Prefect server for unattended runs: pool, slots, automations, schedules."""

from __future__ import annotations

from wgan.prefect_server.automations import put_automations
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.gpu_slots import ensure_gpu_slots, set_gpu_slots, size_gpu_slots
from wgan.prefect_server.names import HOUSEKEEPING
from wgan.prefect_server.on_demand import put_on_demand
from wgan.prefect_server.schedule_changes import put_housekeeping, put_schedule
from wgan.prefect_server.stored_deployments import schedule_names
from wgan.prefect_server.work_pool import ensure_work_pool
from wgan.records import Record
from wgan.schedules import Declared
from wgan.settings import Settings


class Applied(Record):
    """The result of applying a file of schedules."""

    pool: str
    gpu_slots: int
    automations: tuple[str, ...]
    on_demand: tuple[str, ...]
    """Deployments without a clock that were created or updated."""
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    undeclared: tuple[str, ...]
    """Schedules on the server that the file does not name; they are left alone."""


def prepare_operations(server: PrefectServer, settings: Settings) -> None:
    """Create what schedules need; idempotent. The result storage is set up by the workers."""
    ensure_gpu_slots(server, settings.gpu_slots)
    ensure_work_pool(server, settings.work_pool)
    put_on_demand(server, settings.work_pool)
    put_automations(server, settings)


def prepare_page(server: PrefectServer, settings: Settings) -> None:
    """Create what Prefect's page of an embedded server needs before any schedule exists; idempotent."""
    size_gpu_slots(server, settings)
    ensure_work_pool(server, settings.work_pool)
    put_on_demand(server, settings.work_pool)


def apply_declared(server: PrefectServer, declared: Declared, settings: Settings) -> Applied:
    """Make the server match the file; a second call with the same file changes nothing."""
    slots, pool = declared.gpu_slots or settings.gpu_slots, settings.work_pool
    set_gpu_slots(server, slots)
    ensure_work_pool(server, pool)
    on_demand = put_on_demand(server, pool)
    automations = put_automations(server, settings)
    outcome = {HOUSEKEEPING: put_housekeeping(server, declared.housekeeping, pool)}
    outcome |= {schedule.name: put_schedule(server, schedule, pool) for schedule in declared.schedules}
    return Applied(
        pool=pool,
        gpu_slots=slots,
        automations=tuple(automations),
        on_demand=on_demand,
        changed=tuple(name for name, changed in outcome.items() if changed),
        unchanged=tuple(name for name, changed in outcome.items() if not changed),
        undeclared=tuple(name for name in schedule_names(server) if name not in outcome),
    )
