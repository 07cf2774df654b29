"""The model card contains what is needed to judge and use a version."""

from __future__ import annotations

import pytest

from tests.unit.registry.examples import example_config, example_evaluation
from wgan.config_reading import parse_config
from wgan.model_version.record import VersionRecord
from wgan.records import CheckpointChoice, ExportCheck
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
        "This loads version 2, always. `models:/generator-examples@champion` is the version that is in production",
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


def test_the_card_names_the_champion_measured_beside_it() -> None:
    beside = EVALUATION.model_copy(update={"champion": EVALUATION.challenger, "champion_version": 7})
    assert "champion: version 7, measured beside it" in version_card(
        VERSION.model_copy(update={"evaluation": beside}), CONFIG
    )
    assert "measured beside it" not in version_card(VERSION, CONFIG)


def test_a_known_data_set_comes_with_its_terms() -> None:
    card = version_card(VERSION, parse_config({"data": {"source": "fashion-mnist"}}))
    assert "Fashion-MNIST, MIT licence" in card


def test_an_average_of_the_weights_is_on_the_card() -> None:
    averaged = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"ema_decay": 0.999})})
    assert "| average of the weights | drawn and exported, decay 0.999 |" in version_card(VERSION, averaged)
    assert "average of the weights" not in version_card(VERSION, CONFIG)


def test_the_choice_of_the_checkpoint_is_on_the_card() -> None:
    choice = CheckpointChoice(
        step=600, fid=14.5, last_step=850, last_fid=15.25, evaluations=17, images=1024, ended_early=False
    )
    training = EVALUATION.training.model_copy(update={"generator_steps": 600, "choice": choice})
    version = VERSION.model_copy(update={"evaluation": EVALUATION.model_copy(update={"training": training})})
    card = version_card(version, CONFIG)
    assert "| generator steps, seed | 850, 0 |" in card
    assert f"| checkpoint | {choice.reason} |" in card
    assert "| checkpoint | The" not in version_card(VERSION, CONFIG)


def test_a_schedule_and_mirror_images_are_on_the_card() -> None:
    training = CONFIG.training.model_copy(update={"lr": 2e-4, "lr_schedule": "linear", "final_lr_share": 0.1})
    data = CONFIG.data.model_copy(update={"mirror": True})
    card = version_card(VERSION, CONFIG.model_copy(update={"data": data, "training": training}))
    assert "| rmsprop, 0.0002, linear to 2e-05 |" in card
    assert "images are mirrored left to right at random" in card
    assert "mirrored" not in version_card(VERSION, CONFIG)


def test_the_models_description_explains_the_aliases() -> None:
    description = model_description(CONFIG)
    assert all(alias in description for alias in ("`champion`", "`challenger`", "`previous`"))


def test_a_version_has_only_tags_for_searches_and_listings() -> None:
    training = EVALUATION.training
    assert version_tags(EVALUATION) == {
        "data_digest": training.dataset.digest,
        "flow_run_id": training.flow_run_id,
        "checkpoint_uri": training.checkpoint_uri,
        "checkpoint_sha256": training.checkpoint_sha256,
        "code_version": "0.1.0+0123abc",
        "wasserstein_estimate": "0.125",
        "metrics": '{"fid": [46.25, 44.0, 48.5], "recall": [0.5, 0.25, 0.75]}',
    }


def test_a_baseline_without_an_estimate_has_no_such_tag() -> None:
    training = EVALUATION.training.model_copy(update={"wasserstein_estimate": None})
    evaluation = EVALUATION.model_copy(update={"training": training})
    assert "wasserstein_estimate" not in version_tags(evaluation)


def test_the_code_version_is_that_of_the_training_whoever_writes_the_card() -> None:
    assert "| code | `0.1.0+0123abc` |" in version_card(VERSION, CONFIG)
    training = EVALUATION.training.model_copy(update={"code_version": None})
    older = VERSION.model_copy(update={"evaluation": EVALUATION.model_copy(update={"training": training})})
    assert "| code | not recorded |" in version_card(older, CONFIG)
    assert "code_version" not in version_tags(older.evaluation)
