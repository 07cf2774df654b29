"""What the data report is for: among photographs it names near copies, black frames and pictures of another kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.unit.data.photographs import photograph
from tests.unit.data_report.example_data import data_set, measured, report_of
from wgan.config import EvaluationConfig
from wgan.config_reading import load_config
from wgan.data.copies import near_copies
from wgan.data.images import Shape, shaped
from wgan.data_report.drift import measure_drift
from wgan.data_report.judgement import judge
from wgan.data_report.record import DataReport

pytestmark = pytest.mark.slow(minutes=2)

PHOTOGRAPHS, COPIES, BLACK, DRAWINGS = 3000, 300, 50, 400
SHAPE = Shape(64, 3)
SIZE = (96, 72)
LIMITS = ("near_copies=0.05", "blank=0.01", "unlike=0.05", "drift=2")
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


@pytest.fixture(scope="module")
def earlier() -> NDArray[np.uint8]:
    """The champion's data, without a fault."""
    return prepared([photograph(100_000 + seed, SIZE) for seed in range(PHOTOGRAPHS)])


@pytest.fixture(scope="module")
def mixed() -> NDArray[np.uint8]:
    """Other photographs, then near copies of the first of them, black frames and drawings."""
    return prepared(
        [
            *(photograph(seed, SIZE) for seed in range(PHOTOGRAPHS)),
            *(photograph(seed, SIZE).resize((72, 54)) for seed in range(COPIES)),
            *(Image.new("RGB", SIZE) for _ in range(BLACK)),
            *(drawing(seed) for seed in range(DRAWINGS)),
        ]
    )


def judged(images: NDArray[np.uint8], earlier: NDArray[np.uint8]) -> DataReport:
    """The report on images beside the earlier ones, by rules that refuse."""
    protocol = EvaluationConfig(extractor="pixels", sample_count=512, seeds=3)
    before, after = data_set(earlier, digest="c" * 64), data_set(images)
    drift = measure_drift(before, after, str, protocol, NOTHING, NOTHING, "cpu", lambda *_: None)
    assert drift is not None
    report = report_of(images)
    report = report.model_copy(update={"drift": drift[0], "findings": (*report.findings, drift[1])})
    rules = load_config("digits", assignments=[f"data.rules.refuse.{limit}" for limit in LIMITS]).data.rules
    return judge(report, rules)


def test_each_group_is_named_with_its_true_size_within_5_percent_and_the_rules_refuse_it(
    mixed: NDArray[np.uint8], earlier: NDArray[np.uint8]
) -> None:
    report = judged(mixed, earlier)
    assert report.finding("near_copies").count == pytest.approx(COPIES, rel=0.05)
    assert report.finding("blank").count == BLACK
    assert report.finding("exact_copies").count == BLACK - 1
    assert report.finding("unlike").count == pytest.approx(DRAWINGS + BLACK, rel=0.05)
    refused = {rule.rule.rpartition(".")[2] for rule in report.refusals}
    assert refused == {"near_copies", "blank", "unlike", "drift"}


def test_without_its_copies_black_frames_and_drawings_it_is_not_refused(
    mixed: NDArray[np.uint8], earlier: NDArray[np.uint8]
) -> None:
    originals = near_copies(measured(data_set(mixed)).measures.hashes)
    kept = originals == np.arange(len(mixed))  # what data.deduplicate=near keeps
    kept[PHOTOGRAPHS + COPIES :] = False
    report = judged(mixed[kept], earlier)
    assert kept.sum() == PHOTOGRAPHS
    assert report.refusals == ()
