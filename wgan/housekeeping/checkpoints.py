"""Rule: checkpoints are removed some time after their flow run finished, unless it produced a registered version."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from wgan.housekeeping.deletions import Deletions, delete_in_order, newest
from wgan.housekeeping.references import References
from wgan.housekeeping.report import RuleReport
from wgan.housekeeping.survey import Survey
from wgan.storage import StoredObject
from wgan.storage.checkpoints import checkpoint_prefix

LATEST = "latest.json"


def expire_checkpoints(survey: Survey) -> RuleReport:
    """Remove the checkpoints of finished runs, all of a run together, `latest.json` first."""
    settings, storage = survey.settings, survey.storage
    deletions = Deletions("checkpoints", survey)
    stored: dict[str, list[StoredObject]] = {}
    for entry in storage.list(f"{settings.checkpoints_prefix}/"):
        run_id = entry.key.removeprefix(f"{settings.checkpoints_prefix}/").partition("/")[0]
        stored.setdefault(run_id, []).append(entry)
    references = survey.read_references([run_id for run_id in stored if is_flow_run_id(run_id)])
    for run_id, objects in stored.items():
        prefix = f"{checkpoint_prefix(run_id, settings)}/"
        if reason := why_kept(run_id, objects, references, survey):
            deletions.keep(reason)
            continue

        def why_kept_now(run_id: str = run_id, prefix: str = prefix) -> str | None:
            return why_kept(run_id, list(storage.list(prefix)), survey.read_references([run_id]), survey)

        def delete(objects: list[StoredObject] = objects) -> None:
            delete_in_order(storage, LATEST, objects)

        deletions.remove(prefix, (entry.size for entry in objects), why_kept_now, delete)
    return deletions.report()


def why_kept(run_id: str, objects: list[StoredObject], references: References, survey: Survey) -> str | None:
    """Why the checkpoints of a run are kept; None if they may be removed."""
    if not is_flow_run_id(run_id):
        return "not part of a flow run"
    prefix = survey.storage.uri(f"{checkpoint_prefix(run_id, survey.settings)}/")
    if references.made_a_version(run_id, prefix):
        return "a registered version came from the run"
    if not objects:
        return "already gone"
    return why_run_kept(run_id, newest(objects).modified, references, survey)


def why_run_kept(run_id: str, last_written: datetime, references: References, survey: Survey) -> str | None:
    """Why a run's files are kept, apart from versions; None if they may be removed.

    `last_written` is used if Prefect does not know the run.
    """
    days = survey.settings.keep_checkpoint_days
    run = references.flow_run(run_id)
    if run is None:
        return None if survey.older(last_written, days) else f"unknown to Prefect, younger than {days:g} days"
    if not run.finished:
        return f"the run may continue ({run.state.lower()})"
    return None if survey.older(run.since, days) else f"the run finished less than {days:g} days ago"


def is_flow_run_id(name: str) -> bool:
    """Whether it is a UUID in Prefect's form."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
