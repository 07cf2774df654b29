"""Rule: what evaluations store for a data set (features, classifiers, bounds) is removed after the data set."""

from __future__ import annotations

from wgan.data.manifest import DIGEST
from wgan.housekeeping.datasets import stored_datasets, why_data_kept
from wgan.housekeeping.deletions import Deletions, delete_keys, newest
from wgan.housekeeping.references import References
from wgan.housekeeping.report import RuleReport
from wgan.housekeeping.survey import Survey
from wgan.storage import StoredObject


def expire_evaluation(survey: Survey, datasets: RuleReport) -> RuleReport:
    """Remove the real side of evaluations on deleted data sets, including those just removed by `datasets`."""
    storage, prefix = survey.storage, f"{survey.settings.evaluation_prefix}/"
    deletions = Deletions("evaluation caches", survey)
    kept_of: dict[str, list[StoredObject]] = {}
    for entry in storage.list(prefix):
        parts = entry.key.removeprefix(prefix).split("/")
        known = len(parts) == 3 and DIGEST.fullmatch(parts[1])
        kept_of.setdefault(parts[1] if known else "", []).append(entry)
    gone = {name.rstrip("/").rsplit("/", 1)[-1] for name in datasets.names}
    removed = set(datasets.names)
    references = survey.read_references(())
    there = _digests(survey, removed if survey.dry_run else set())
    for digest, objects in kept_of.items():
        if reason := _why_kept(digest, objects, there, gone, references, survey):
            deletions.keep(reason)
            continue

        def why_kept_now(digest: str = digest, objects: list[StoredObject] = objects) -> str | None:
            return _why_kept(digest, objects, _digests(survey, set()), gone, survey.read_references(()), survey)

        def delete(objects: list[StoredObject] = objects) -> None:
            delete_keys(storage, [entry.key for entry in objects])

        deletions.remove(f"{prefix}…/{digest}/", (entry.size for entry in objects), why_kept_now, delete)
    return deletions.report()


def _digests(survey: Survey, without: set[str]) -> set[str]:
    """Digests of the data sets in storage, except these prefixes."""
    prefix = survey.settings.datasets_prefix
    return {digest for name, digest in stored_datasets(survey) if f"{prefix}/{name}/{digest}/" not in without}


def _why_kept(
    digest: str,
    objects: list[StoredObject],
    there: set[str],
    gone: set[str],
    references: References,
    survey: Survey,
) -> str | None:
    days = survey.settings.keep_dataset_days
    if not digest:
        return "not part of a data set"
    if digest in there:
        return "the data set exists"
    if reason := why_data_kept(digest, (), references, survey):
        return reason
    if digest not in gone and not survey.older(newest(objects).modified, days):
        return f"younger than {days:g} days"
    return None
