"""Reports what housekeeping did, or would do: counts and bytes per rule, and why the rest was kept."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from wgan.records import Record

NAMED = 20
"""Number of removed items that the report names per rule."""


class RuleReport(Record):
    """One rule's outcome."""

    rule: str = Field(description="What it is about: checkpoints, data sets, …")
    removed: int = Field(description="Things removed: a run's checkpoints or a data set count as one.")
    removed_files: int = Field(description="Objects, files or uploads in them.")
    removed_bytes: int
    kept: dict[str, int] = Field(description="Why things were kept → how many.")
    names: tuple[str, ...] = Field((), description="What was removed; task results are only counted.")
    failures: tuple[str, ...] = Field((), description="One sentence for each thing that could not be removed.")
    note: str | None = Field(None, description="Why the rule did not work at all.")


class HousekeepingReport(Record):
    """The outcome of all rules. In a dry run `removed` is what would have been removed."""

    time: datetime = Field(description="By the object store's clock.")
    dry_run: bool
    stopped: str | None = Field(None, description="Why nothing at all was done.")
    rules: tuple[RuleReport, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """The failures of all rules."""
        return tuple(failure for rule in self.rules for failure in rule.failures)


def readable_bytes(count: int) -> str:
    """`1.5 MB`: decimal units."""
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def table_rows(report: HousekeepingReport) -> list[tuple[str, str, str, str, str]]:
    """Table rows: rule, items, files, size, and the reasons for keeping the rest."""
    return [
        (
            rule.rule,
            f"{rule.removed:,}",
            f"{rule.removed_files:,}",
            readable_bytes(rule.removed_bytes),
            "; ".join(f"{count:,} {reason}" for reason, count in sorted(rule.kept.items())) or rule.note or "—",
        )
        for rule in report.rules
    ]


def headings(report: HousekeepingReport) -> tuple[str, str, str, str, str]:
    """Headings of the table's columns."""
    return ("rule", "would remove" if report.dry_run else "removed", "files", "size", "kept")


def markdown(report: HousekeepingReport) -> str:
    """The report as a page."""
    when = f"{report.time:%Y-%m-%d %H:%M:%S} UTC by the object store's clock"
    if report.stopped:
        return f"**Nothing was done**, {when}: {report.stopped}\n"
    lines = [f"{'Dry run: nothing was removed' if report.dry_run else 'Housekeeping'}, {when}.", ""]
    columns = headings(report)
    lines += [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(row)} |" for row in table_rows(report)]
    for rule in report.rules:
        if rule.note:
            lines += ["", f"{rule.rule.capitalize()}: {rule.note}"]
        if rule.names:
            more = [f"… and {len(rule.names) - NAMED:,} more"] if len(rule.names) > NAMED else []
            lines += ["", f"### {rule.rule.capitalize()}", ""]
            lines += [f"- {name}" for name in [*(f"`{name}`" for name in rule.names[:NAMED]), *more]]
    if report.failures:
        lines += ["", "### Not removed", "", *(f"- {failure}" for failure in report.failures)]
    return "\n".join(lines) + "\n"
