"""Make a Prefect server ready for runs that nobody watches: pool, slots, automations, schedules."""

from __future__ import annotations

from flows.automations import put_automations
from flows.deployments import HOUSEKEEPING, ensure_work_pool, list_schedules, put_housekeeping, put_schedule
from flows.running import prepare_server
from tasks.gpu_slots import set_gpu_slots
from wgan.records import Record
from wgan.schedules import Declared
from wgan.settings import Settings


class Applied(Record):
    """What applying a file of schedules did."""

    pool: str
    gpu_slots: int
    automations: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    undeclared: tuple[str, ...]
    """Schedules of the server that the file does not name; they are left alone."""


def prepare_operations(settings: Settings) -> None:
    """What one schedule and one worker need; repeated calls are harmless."""
    prepare_server(settings)
    ensure_work_pool(settings)
    put_automations(settings)


def apply_declared(declared: Declared, settings: Settings) -> Applied:
    """Bring the server to what the file declares; a second call with the same file changes nothing."""
    prepare_server(settings)
    ensure_work_pool(settings)
    slots = declared.gpu_slots or settings.gpu_slots
    set_gpu_slots(slots)
    outcome = {HOUSEKEEPING: put_housekeeping(declared.housekeeping, settings)}
    outcome |= {schedule.name: put_schedule(schedule, settings) for schedule in declared.schedules}
    return Applied(
        pool=settings.work_pool,
        gpu_slots=slots,
        automations=tuple(put_automations(settings)),
        changed=tuple(name for name, changed in outcome.items() if changed),
        unchanged=tuple(name for name, changed in outcome.items() if not changed),
        undeclared=tuple(entry.name for entry in list_schedules() if entry.name not in outcome),
    )
