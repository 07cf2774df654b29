"""Descriptions and tags fit into MLflow's database."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.unit.evaluation.example_measurements import GOOD, measured
from tests.unit.registry.examples import example_config, example_evaluation
from wgan.config_promotion import PromotionConfig
from wgan.evaluation.gate import decide
from wgan.records import Bounds, ExportCheck, LedgerEntry, Measurement, RetrainOutcome
from wgan.registry.card import version_card
from wgan.registry.model_folder import VersionRecord
from wgan.steps.report import retrain_markdown

RUN_DESCRIPTION = 8_000
"""Characters of a run's tag: `mlflow.utils.validation.MAX_TAG_VAL_LENGTH`."""
VERSION_DESCRIPTION = 5_000
"""Characters of a model version's description: a column of MLflow's database."""
SEED_VALUES = [0.123456789, 0.234567891, 0.212345678, 0.187654321, 0.198765432]


def every_metric() -> Measurement:
    """All metrics, with long numbers."""
    names = [*GOOD, "kernel_distance", "sliced_wasserstein", "memorisation"]
    return measured(**dict.fromkeys(names, SEED_VALUES))


def outcome() -> RetrainOutcome:
    mine = every_metric()
    decision = decide(mine, mine, PromotionConfig())
    evaluation = example_evaluation(example_config("a-data-set-of-a-long-name")).model_copy(
        update={
            "challenger": mine,
            "champion": mine,
            "champion_version": 41,
            "champion_judged_on": "ab" * 32,
            "bounds": Bounds(real_images=mine, untrained=mine),
        }
    )
    record = VersionRecord(
        evaluation=evaluation,
        model_name="generator-a-data-set-of-a-long-name",
        onnx_sha256="f" * 64,
        export_check=ExportCheck(samples=16, max_abs_difference=1e-6, tolerance=1e-3, opset=18),
    )
    promotion = LedgerEntry(
        id="0" * 12,
        model_name=record.model_name,
        action="refused",
        time=datetime(2026, 3, 4, tzinfo=UTC),
        from_version=41,
        to_version=42,
        reason=decision.reason,
        decision=decision,
    )
    return RetrainOutcome(version=record.numbered(42), promotion=promotion)


def test_the_report_of_a_retraining_fits_a_runs_description() -> None:
    assert (
        len(retrain_markdown(outcome(), "http://127.0.0.1:5000/get-artifact?path=samples.png&run_uuid=" + "0" * 32))
        < RUN_DESCRIPTION
    )


def test_the_model_card_fits_a_versions_description() -> None:
    assert len(version_card(outcome().version, example_config("a-data-set-of-a-long-name"))) < VERSION_DESCRIPTION
