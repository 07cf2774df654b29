"""A comparison as one self-contained HTML file: no script, style sheet, picture or server."""

from __future__ import annotations

from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from wgan.comparison.figures import MOST_CLASSES, Limit, class_figure, curve_figures, interval_figure
from wgan.comparison.lineage import differing_settings, lineage_rows
from wgan.comparison.pictures import grid_address, image_address
from wgan.comparison.record import Comparison
from wgan.evaluation.gate import margins
from wgan.metric_text.summary import bounds_sentence, data_sentence, protocol_sentence
from wgan.metric_text.table import MetricRow

TEMPLATE = "report.html.j2"


def comparison_html(comparison: Comparison) -> str:
    """The whole page: samples, verdict, metrics, intervals, nearest training images, classes, curves, lineage."""
    first, second = comparison.sides
    names = (first.name, second.name)
    evaluation = comparison.evaluation
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            it=comparison,
            sides=((first, "first"), (second, "second")),
            places=("nearest", "second", "third"),
            judged_on=data_sentence(evaluation).replace("champion", "first").replace("challenger", "second"),
            protocol=protocol_sentence(evaluation.challenger.protocol).replace("`", ""),
            bounds=bounds_sentence(evaluation.bounds) if evaluation.bounds else "",
            intervals=[(row.title, interval_figure(row, *names, _limit(row, comparison))) for row in comparison.rows],
            classes=_class_figure(comparison),
            fewer_classes=len(comparison.class_names) > MOST_CLASSES,
            curves=curve_figures(first.curves, second.curves, names),
            lineage=lineage_rows(first, second),
            settings=differing_settings(first, second),
        )
    )


def _limit(row: MetricRow, comparison: Comparison) -> Limit | None:
    """The gate's condition on the metric's difference; None if it does not judge the metric."""
    margin = margins(comparison.second.config.promotion).get(row.name)
    return None if margin is None or row.rule is None else Limit(-margin, below=row.name == "fid")


def _class_figure(comparison: Comparison) -> Markup | None:
    data = comparison.data_shares
    first, second = (side.class_counts for side in comparison.sides)
    if data is None or first is None or second is None:
        return None
    names = (comparison.first.name, comparison.second.name)
    return class_figure(comparison.class_names, data, first / first.sum(), second / second.sum(), names)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("wgan.comparison", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(number=_number, grid=grid_address, picture=image_address)
    return environment


def _number(value: float, sign: Literal["", "+"] = "") -> str:
    return f"{value:{sign}.4g}".replace("-", "−")
