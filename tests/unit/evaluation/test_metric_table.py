"""Metrics as rows of Prefect's and MLflow's tables."""

from __future__ import annotations

from tests.unit.evaluation.example_measurements import PROTOCOL, measured
from wgan.config_promotion import PromotionConfig
from wgan.evaluation.gate import decide
from wgan.metric_text.table import metric_rows, number_columns, text_table
from wgan.records import Bounds

CHAMPION = measured(fid=[6.0, 6.1, 5.9, 6.2, 5.8], recall=[0.9] * 5)
BOUNDS = Bounds(real_images=measured(fid=[1.0] * 5), untrained=measured(fid=[70.0] * 5))


def test_a_row_shows_rule_and_verdict_of_judged_metrics() -> None:
    decision = decide(measured(), CHAMPION, PromotionConfig())
    table = {row["metric"]: row for row in text_table(metric_rows(measured(), CHAMPION, decision, BOUNDS))}
    assert table["Fréchet distance ↓"] == {
        "metric": "Fréchet distance ↓",
        "challenger": "5 [4.804, 5.196]",
        "champion": "6 [5.804, 6.196]",
        "challenger − champion": "-1 [-1, -1]",
        "real images": "1 [1, 1]",
        "untrained": "70 [70, 70]",
        "rule": "must improve",
        "verdict": "passed",
    }
    assert table["Recall ↑"]["verdict"] == "failed"
    assert table["Precision ↑"]["verdict"] == "not judged"


def test_a_first_model_shows_its_floors_and_no_empty_columns() -> None:
    decision = decide(measured(), None, PromotionConfig(max_fid=5.1))
    row = text_table(metric_rows(measured(), None, decision))[0]
    assert list(row) == ["metric", "challenger", "rule", "verdict"]
    assert (row["rule"], row["verdict"]) == ("upper bound at most 5.1", "failed")


def test_numbers_of_different_protocols_are_not_shown_side_by_side() -> None:
    other = PROTOCOL.model_copy(update={"sample_count": 99})
    bounds = Bounds(real_images=None, untrained=measured(other))
    row = metric_rows(measured(), measured(other), None, bounds)[0]
    assert (row.difference, row.real_images, row.untrained) == (None, None, None)


def test_mlflows_table_has_one_line_per_metric_and_side_with_the_value_of_every_seed() -> None:
    columns = number_columns(metric_rows(measured(), CHAMPION, bounds=BOUNDS))
    lines = [dict(zip(columns, line, strict=True)) for line in zip(*columns.values(), strict=True)]
    assert [line["side"] for line in lines if line["metric"] == "fid"] == [
        "challenger",
        "champion",
        "challenger − champion",
        "real images",
        "untrained",
    ]
    assert lines[0]["mean"] == 5.0
    assert lines[0]["values"] == "5, 5.1, 4.9, 5.2, 4.8"
