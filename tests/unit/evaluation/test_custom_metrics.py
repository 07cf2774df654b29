"""A custom metric is measured beside the others, under a protocol that names its code."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.evaluation.example_measurements import PROTOCOL
from wgan.config import METRICS, EvaluationConfig, config_digest
from wgan.config_reading import parse_config
from wgan.errors import UsageError
from wgan.evaluation.metrics.custom import MetricSample, compute_custom_metrics, custom_metric_codes
from wgan.metric_text.table import METRIC_TITLES

MODULE = "tests.unit.evaluation.custom_metrics"
SAMPLE = MetricSample(
    real=np.zeros((3, 2), dtype=np.float32),
    generated=np.ones((3, 2), dtype=np.float32),
    images=np.full((3, 1, 4, 4), 7, dtype=np.uint8),
    seed=5,
)


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_PLUGINS", MODULE)


def codes(*names: str) -> tuple[str, ...]:
    return custom_metric_codes(EvaluationConfig(metrics=tuple(f"{MODULE}:{name}" for name in names)))


def test_a_metric_is_called_with_features_and_images_and_has_its_functions_name() -> None:
    assert compute_custom_metrics(codes("brightness"), SAMPLE) == {"brightness": 7.0}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", r"returned nan on seed 5; it must return a finite number\."),
        ("missing_pixel", "missing_pixel failed with IndexError: index 3 is out of bounds"),
    ],
)
def test_a_metric_that_fails_is_one_sentence(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        compute_custom_metrics(codes(name), SAMPLE)


def test_other_code_means_another_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    before = codes("brightness")
    monkeypatch.setattr("wgan.plugins._source_digest", lambda module: "0" * 64)
    assert codes("brightness") != before


def test_a_protocol_without_such_metrics_keeps_its_digest() -> None:
    assert "own_metrics" not in PROTOCOL.model_dump(mode="json")
    assert config_digest(PROTOCOL.model_copy(update={"own_metrics": codes("brightness")})) != config_digest(PROTOCOL)


@pytest.mark.parametrize("paths", [["mine:fid"], ["mine:sharpness", "yours:sharpness"]])
def test_two_metrics_with_one_name_are_refused(paths: list[str]) -> None:
    with pytest.raises(UsageError, match="there is already a metric"):
        parse_config({"evaluation": {"metrics": paths}})


def test_the_reserved_names_are_those_with_a_title() -> None:
    assert set(METRICS) == set(METRIC_TITLES)
