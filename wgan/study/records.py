"""A claim, its runs, its results and its verdict, as small records that are read and written as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wgan.records import Record


class Claim(Record):
    """One claim, written down before anything is run."""

    number: int = Field(ge=1)
    title: str
    source: str = Field(description="Where the paper says it: section and figure.")
    statement: str = Field(description="What the paper says.")
    criterion: str = Field(description="When it counts as holding here; fixed before the run.")


class Series(Record):
    """Named values of a panel; `low` and `high` bound a band or an error bar around `y`."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


class Panel(Record):
    """One pair of axes."""

    title: str
    kind: Literal["line", "points", "bars", "picture"]
    series: tuple[Series, ...] = ()
    x_label: str = ""
    y_label: str = ""
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    ticks: tuple[str, ...] = Field((), description="Names of x = 0, 1, 2 …, for bars.")
    markers: bool = Field(False, description="Mark the single values of a line.")
    limits: tuple[float, float, float, float] | None = Field(None, description="x and y ranges; None: from the data.")
    png: str = Field("", description="A picture, base64.")


class Chart(Record):
    """Panels side by side, with a caption."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    caption: str
    panels: tuple[Panel, ...]
    columns: int = Field(3, ge=1)


class Table(Record):
    """Rows of text under column names."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Variant(Record):
    """One training of a claim, as logged to MLflow."""

    name: str
    parameters: dict[str, str]
    metrics: dict[str, float] = Field(description="At the end.")
    steps: tuple[int, ...] = Field((), description="Generator steps of the curves.")
    curves: dict[str, tuple[float, ...]] = Field(default_factory=dict, description="One value for each of `steps`.")


class ClaimResult(Record):
    """The result of a claim."""

    claim: Claim
    protocol: str = Field(description="What was run, with its numbers.")
    table: Table
    finding: str = Field(description="What came out, in a sentence or two.")
    holds: bool
    charts: tuple[Chart, ...]
    variants: tuple[Variant, ...]
    seconds: float = Field(description="Wall-clock seconds.")
    cpu_seconds: float = Field(description="Processor seconds, all processes together.")


class StudyOutcome(Record):
    """The results of all tested claims."""

    size: str
    seed: int
    flow_run_id: str
    mlflow_run_id: str
    digits: str = Field(description="Which images the claims about images were tried on; empty if none was.")
    results: tuple[ClaimResult, ...]
