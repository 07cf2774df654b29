"""Executes one rule: each item is kept for a reason or removed, and a failure does not stop the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from wgan.errors import StorageError
from wgan.housekeeping.report import RuleReport
from wgan.housekeeping.survey import Survey, backup_under_way
from wgan.storage import Storage, StoredObject


class Deletions:
    """Counts what one rule keeps and removes. In a dry run everything is counted and nothing removed."""

    def __init__(self, rule: str, survey: Survey) -> None:
        self._rule, self._survey = rule, survey
        self._kept: Counter[str] = Counter()
        self._names: list[str] = []
        self._failures: list[str] = []
        self._removed = self._files = self._bytes = 0

    def keep(self, reason: str, count: int = 1) -> None:
        """Count items that are kept."""
        self._kept[reason] += count

    def remove(
        self,
        name: str,
        sizes: Iterable[int],
        why_kept_now: Callable[[], str | None],
        delete: Callable[[], None],
        things: int = 1,
        named: bool = True,
    ) -> None:
        """Remove an item of files with these sizes in bytes, unless `why_kept_now`, called last, gives a reason.

        `delete` may raise `StorageError` or `OSError`, which the report then lists.
        """
        sizes = tuple(sizes)
        if not self._survey.dry_run:
            try:
                backup = backup_under_way(self._survey.storage, self._survey.now)
                reason = "a backup has begun" if backup else why_kept_now()
                if reason:
                    self.keep(reason, things)
                    return
                delete()
            except (StorageError, OSError) as error:
                self._failures.append(f"{name}: {error}")
                return
        self._removed += things
        self._files += len(sizes)
        self._bytes += sum(sizes)
        if named:
            self._names.append(name)

    def report(self, note: str | None = None) -> RuleReport:
        """The rule's outcome."""
        return RuleReport(
            rule=self._rule,
            removed=self._removed,
            removed_files=self._files,
            removed_bytes=self._bytes,
            kept=dict(self._kept),
            names=tuple(self._names),
            failures=tuple(self._failures),
            note=note,
        )


def delete_in_order(storage: Storage, first: str, objects: Iterable[StoredObject]) -> None:
    """Delete objects, `first` before the others, so that a partial deletion is not taken for a complete item.

    Raises `StorageError` naming the first that the store refused.
    """
    keys = [entry.key for entry in objects]
    for key in keys:
        if key.rsplit("/", 1)[-1] == first:
            storage.delete(key)
    delete_keys(storage, keys)


def delete_keys(storage: Storage, keys: list[str]) -> None:
    """Delete objects. Raises `StorageError` naming the first that the store refused."""
    failed = storage.delete_all(keys)
    if failed:
        key, code = next(iter(failed.items()))
        raise StorageError(f"{len(failed)} of {len(keys)} objects were not deleted, the first {key} ({code}).")


def newest(objects: Iterable[StoredObject]) -> StoredObject:
    """The most recently written object."""
    return max(objects, key=lambda entry: entry.modified)
