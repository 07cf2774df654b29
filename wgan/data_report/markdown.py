"""The report as markdown, for Prefect."""

from __future__ import annotations

from wgan.data_report.record import DataReport


def report_markdown(report: DataReport) -> str:
    """Verdict, broken rules, and a table of the findings; pictures are on the page."""
    dataset = report.dataset
    rows = "\n".join(
        f"| {finding.title} | {finding.count:,} | {finding.share:.1%} |" for finding in report.findings if finding.count
    )
    table = f"| finding | images | share |\n|---|---|---|\n{rows}" if rows else "Nothing was found."
    parts = [
        f"# Data set {dataset.name}: {verdict(report).lower()}",
        f"{dataset.count:,} images to train on, {dataset.held_out_count:,} held out, digest `{dataset.digest[:12]}`.",
        *(f"- {rule.reason}" for rule in report.broken),
        *([f"Accepted: {report.accepted.reason}"] if report.accepted else []),
        table,
    ]
    if report.compared_with:
        shared = report.compared_with
        parts.append(
            f"{shared.new:,} of its images are not in the champion's data `{shared.digest[:12]}`, and {shared.gone:,} "
            "of that are not in it."
        )
    parts.append(f"The page with pictures is `{page_address(report)}`, and among the artifacts of the MLflow run.")
    return "\n\n".join(parts)


def verdict(report: DataReport) -> str:
    """What the rules say, in a few words."""
    if report.refusals:
        return "Refused by the rules, and accepted" if report.accepted else "Refused"
    return "Fit to train on, with warnings" if report.broken else "Fit to train on"


def page_address(report: DataReport) -> str:
    """The s3:// address of the page with pictures."""
    return report.dataset.uri.rpartition("/")[0] + "/report.html"
