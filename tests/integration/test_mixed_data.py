"""What the data report is for: among photographs it names near copies, black frames and pictures of another kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.unit.data.photographs import photograph
from tests.unit.data_report.example_data import data_set, report_of
from wgan.config import EvaluationConfig
from wgan.config_reading import load_config
from wgan.data.images import Shape, shaped
from wgan.data_report.drift import measure_drift
from wgan.data_report.judgement import judge

pytestmark = pytest.mark.slow(minutes=1)

PHOTOGRAPHS, COPIES, BLACK, DRAWINGS = 750, 75, 12, 100
SHAPE = Shape(64, 3)
SIZE = (96, 72)
NOTHING: Any = None
"""Settings and storage, which pixels do not need."""


def prepared(pictures: list[Image.Image]) -> NDArray[np.uint8]:
    return np.stack([shaped(np.asarray(picture), SHAPE) for picture in pictures])


def drawing(seed: int) -> Image.Image:
    """Black lines on white."""
    generator = np.random.default_rng(seed)
    picture = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(picture)
    for _ in range(6):
        draw.line(tuple(generator.uniform(0, SIZE[0], 4)), fill="black", width=3)
    return picture


def test_each_group_is_named_with_about_its_true_size_and_the_rules_refuse_it() -> None:
    old = prepared([photograph(100_000 + seed, SIZE) for seed in range(PHOTOGRAPHS)])
    mixed = prepared(
        [
            *(photograph(seed, SIZE) for seed in range(PHOTOGRAPHS)),
            *(photograph(seed, SIZE).resize((72, 54)) for seed in range(COPIES)),
            *(Image.new("RGB", SIZE) for _ in range(BLACK)),
            *(drawing(seed) for seed in range(DRAWINGS)),
        ]
    )
    protocol = EvaluationConfig(extractor="pixels", sample_count=512, seeds=3)
    before, after = data_set(old, digest="c" * 64), data_set(mixed)
    measured = measure_drift(before, after, str, protocol, NOTHING, NOTHING, "cpu", lambda *_: None)
    assert measured is not None
    report = report_of(mixed)
    report = report.model_copy(update={"drift": measured[0], "findings": (*report.findings, measured[1])})
    assert report.finding("near_copies").count == pytest.approx(COPIES, rel=0.05)
    assert report.finding("blank").count == BLACK
    assert report.finding("exact_copies").count == BLACK - 1
    assert report.finding("unlike").count == pytest.approx(DRAWINGS + BLACK, rel=0.1)
    limits = ("near_copies=0.05", "blank=0.01", "unlike=0.05", "drift=2")
    rules = load_config("digits", assignments=[f"data.rules.refuse.{limit}" for limit in limits]).data.rules
    refused = {rule.rule.rpartition(".")[2] for rule in judge(report, rules).refusals}
    assert refused == {"near_copies", "blank", "unlike", "drift"}
