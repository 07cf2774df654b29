"""The report: counts, sizes and reasons, for people and as a page in Prefect."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wgan.housekeeping.report import HousekeepingReport, RuleReport, markdown, readable_bytes, table_rows

TIME = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


def rule(**more: object) -> RuleReport:
    values: dict[str, object] = {
        "rule": "checkpoints",
        "removed": 0,
        "removed_files": 0,
        "removed_bytes": 0,
        "kept": {},
    }
    return RuleReport.model_validate(values | more)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (46_000_000, "46.0 MB"), (2 * 10**15, "2000.0 TB")],
)
def test_sizes_are_decimal(count: int, text: str) -> None:
    assert readable_bytes(count) == text


def test_the_table_has_counts_sizes_and_every_reason() -> None:
    kept = {"the run may continue (crashed)": 1, "a registered version came from the run": 1200}
    report = HousekeepingReport(
        time=TIME,
        dry_run=False,
        rules=(
            rule(removed=2, removed_files=6, removed_bytes=3_200_000, kept=kept),
            rule(note="it does not list them"),
        ),
    )
    assert table_rows(report) == [
        (
            "checkpoints",
            "2",
            "6",
            "3.2 MB",
            "1,200 a registered version came from the run; 1 the run may continue (crashed)",
        ),
        ("checkpoints", "0", "0", "0 B", "it does not list them"),
    ]


def test_the_page_says_whether_anything_was_removed() -> None:
    for dry_run, title, column in (
        (True, "Dry run: nothing was removed", "would remove"),
        (False, "Housekeeping", "removed"),
    ):
        page = markdown(HousekeepingReport(time=TIME, dry_run=dry_run, rules=(rule(),)))
        assert page.startswith(f"{title}, 2026-03-01 04:00:00 UTC by the object store's clock.")
        assert f"| rule | {column} |" in page


def test_the_page_names_the_first_twenty_and_every_failure() -> None:
    names = tuple(f"checkpoints/{number}/" for number in range(23))
    page = markdown(HousekeepingReport(time=TIME, dry_run=False, rules=(rule(names=names, failures=("a: refused.",)),)))
    assert "- `checkpoints/19/`\n- … and 3 more" in page
    assert "checkpoints/20/" not in page
    assert page.endswith("### Not removed\n\n- a: refused.\n")


def test_the_page_of_a_stopped_sweep_says_why() -> None:
    page = markdown(HousekeepingReport(time=TIME, dry_run=False, stopped="a backup runs."))
    assert page == "**Nothing was done**, 2026-03-01 04:00:00 UTC by the object store's clock: a backup runs.\n"
