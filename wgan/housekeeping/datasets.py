"""Rule: a prepared data set is removed once unreferenced for a while, if no flow is reading data."""

from __future__ import annotations

from collections.abc import Iterable

from wgan.data.manifest import DIGEST, MANIFEST_NAME
from wgan.housekeeping.deletions import Deletions, delete_in_order, newest
from wgan.housekeeping.references import References
from wgan.housekeeping.report import RuleReport
from wgan.housekeeping.survey import Survey
from wgan.storage import StoredObject


def expire_datasets(survey: Survey) -> RuleReport:
    """Remove unreferenced data sets, the manifest first, so that no reader takes the rest for complete."""
    storage = survey.storage
    deletions = Deletions("data sets", survey)
    stored = stored_datasets(survey)
    references = survey.read_references(())
    for (name, digest), objects in stored.items():
        prefix = f"{survey.settings.datasets_prefix}/{name}/{digest}/"
        if reason := why_kept(name, digest, objects, references, survey):
            deletions.keep(reason)
            continue

        def why_kept_now(name: str = name, digest: str = digest, prefix: str = prefix) -> str | None:
            return why_kept(name, digest, list(storage.list(prefix)), survey.read_references(()), survey)

        def delete(objects: list[StoredObject] = objects) -> None:
            delete_in_order(storage, MANIFEST_NAME, objects)

        deletions.remove(prefix, (entry.size for entry in objects), why_kept_now, delete)
    return deletions.report()


def stored_datasets(survey: Survey) -> dict[tuple[str, str], list[StoredObject]]:
    """Name and digest → the objects of a data set, complete or not; a digest of "" holds other objects."""
    prefix = f"{survey.settings.datasets_prefix}/"
    found: dict[tuple[str, str], list[StoredObject]] = {}
    for entry in survey.storage.list(prefix):
        parts = entry.key.removeprefix(prefix).split("/")
        known = len(parts) == 3 and DIGEST.fullmatch(parts[1])
        found.setdefault((parts[0], parts[1] if known else ""), []).append(entry)
    return found


def why_kept(name: str, digest: str, objects: list[StoredObject], references: References, survey: Survey) -> str | None:
    """Why a data set is kept; None if it may be removed."""
    days = survey.settings.keep_dataset_days
    if not digest:
        return "not a data set"
    if not objects:
        return "already gone"
    if reason := why_data_kept(digest, (name,), references, survey):
        return reason
    if not survey.older(newest(objects).modified, days):
        return f"younger than {days:g} days"
    return None


def why_data_kept(digest: str, names: Iterable[str], references: References, survey: Survey) -> str | None:
    """What refers to a data digest, stored under these names; None if nothing does."""
    days = survey.settings.keep_dataset_days
    if references.made_of(digest):
        return "a registered version was trained on it"
    if references.reading_data:
        # A run preparing this data set again would upload shards that are then deleted.
        return f"a {references.reading_data[0].flow} run is in progress"
    if any(refers(run_id, digest, names, references) for run_id in (run.id for run in references.unfinished)):
        return "a run that may continue refers to it"
    last_trained = references.last_trained_on(digest)
    if last_trained is not None and not survey.older(last_trained, days):
        return f"trained on within {days:g} days"
    return None


def refers(run_id: str, digest: str, names: Iterable[str], references: References) -> bool:
    """Whether an unfinished flow run refers to a data set: by the data it trained on, else by its configured name."""
    if trained := references.data_of(run_id):
        return digest in trained
    run = references.flow_run(run_id)
    return run is not None and (run.data_names is None or not set(names).isdisjoint(run.data_names))
