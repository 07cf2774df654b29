"""The model card says what a stranger needs to judge and use a version."""

from __future__ import annotations

import pytest

from tests.unit.registry.examples import example_config, example_evaluation
from wgan.config import config_digest
from wgan.config_reading import parse_config
from wgan.model_version.record import VersionRecord
from wgan.records import ExportCheck
from wgan.registry.card import model_description, version_card
from wgan.registry.lineage import version_tags

CONFIG = example_config()
EVALUATION = example_evaluation(CONFIG)
VERSION = VersionRecord(
    evaluation=EVALUATION,
    model_name=CONFIG.model_name,
    onnx_sha256="f" * 64,
    export_check=ExportCheck(samples=64, max_abs_difference=2.5e-7, tolerance=1e-3, opset=18),
).numbered(2)


@pytest.mark.parametrize(
    "fact",
    [
        "# generator-examples",
        'load_model("models:/generator-examples/2")',
        "standard_normal((16, 8))",
        "1,797 images (3 files did not decode and were left out), 1×32×32, 2 classes",
        "d" * 64,
        "| generator steps, seed | 850, 0 |",
        "| Fréchet distance ↓ | 46.25 [44, 48.5] |",
        "95% interval",
        "2 seeds of 1,024 generated against as many real images",
        "opset 18",
        "differ by at most 2.5e-07 (allowed 0.001",
        "s3://wgan/checkpoints/6a1f0c9e-flow/step-00000850.pt",
        EVALUATION.training.mlflow_run_id,
        "Intended use and limits",
        "Terms of the training data: those of the data set",
    ],
)
def test_the_card_states(fact: str) -> None:
    assert fact in version_card(VERSION, CONFIG)


def test_the_champion_measured_beside_it_is_on_the_card() -> None:
    beside = EVALUATION.model_copy(update={"champion": EVALUATION.challenger, "champion_version": 7})
    assert "champion: version 7, measured beside it" in version_card(
        VERSION.model_copy(update={"evaluation": beside}), CONFIG
    )
    assert "measured beside it" not in version_card(VERSION, CONFIG)


def test_a_known_data_set_comes_with_its_terms() -> None:
    card = version_card(VERSION, parse_config({"data": {"source": "fashion-mnist"}}))
    assert "Fashion-MNIST, MIT licence" in card


def test_the_models_description_explains_the_aliases() -> None:
    description = model_description(CONFIG)
    assert all(alias in description for alias in ("`champion`", "`challenger`", "`previous`"))


def test_the_tags_carry_the_whole_lineage() -> None:
    tags = version_tags(EVALUATION, VERSION.onnx_sha256, CONFIG)
    training = EVALUATION.training
    assert tags["data_set"] == "examples"
    assert tags["data_digest"] == training.dataset.digest
    assert tags["config_digest"] == config_digest(CONFIG)
    assert tags["protocol_digest"] == config_digest(EVALUATION.challenger.protocol)
    assert tags["flow_run_id"] == training.flow_run_id
    assert tags["mlflow_run_id"] == training.mlflow_run_id
    assert tags["checkpoint_uri"] == training.checkpoint_uri
    assert tags["checkpoint_sha256"] == training.checkpoint_sha256
    assert tags["onnx_sha256"] == "f" * 64
    assert tags["wasserstein_estimate"] == "0.125"
    assert tags["metric.fid"] == "[46.25, 44.0, 48.5]"
    assert tags["code_version"].startswith("0.1.0")


def test_a_baseline_without_an_estimate_has_no_such_tag() -> None:
    training = EVALUATION.training.model_copy(update={"wasserstein_estimate": None})
    evaluation = EVALUATION.model_copy(update={"training": training})
    assert "wasserstein_estimate" not in version_tags(evaluation, "f" * 64, CONFIG)
