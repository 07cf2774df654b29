"""A configuration that cannot be compared with the champion is refused before any work; no training is lost."""

from __future__ import annotations

import uuid

import pytest
from mlflow import MlflowClient

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run as run_wgan
from tests.integration.untrained_versions import digits_config, register_untrained
from wgan.config import RetrainConfig
from wgan.errors import UsageError, WganError
from wgan.registry.aliases import CHAMPION
from wgan.registry.listing import list_versions
from wgan.registry.preconditions import require_comparable
from wgan.registry.promotion import promote
from wgan.settings import Settings
from wgan.steps import evaluate
from wgan.storage import Storage
from wgan.tracking.client import tracking_client

pytestmark = pytest.mark.slow(minutes=3)


@pytest.fixture
def config(stack: Settings, storage: Storage) -> RetrainConfig:
    """The test's own model with two versions of 32×32 pixels in one channel; the first is the champion."""
    storage.ensure_bucket()
    made = digits_config(f"digits-{uuid.uuid4().hex[:8]}", max_images=300)
    first = register_untrained(made, 1, stack, storage)
    register_untrained(made, 2, stack, storage)
    promote(first, None, stack, storage, force=True, reason="somebody must be first", expected_champion=None)
    return made


def foreign_champion(config: RetrainConfig, settings: Settings) -> int:
    """Register a foreign version, without a record, and make it the champion in MLflow; its number."""
    client: MlflowClient = tracking_client(settings)
    source = client.get_model_version(config.model_name, "1").run_id
    made = client.create_model_version(config.model_name, f"runs:/{source}/nothing", source)
    client.set_registered_model_alias(config.model_name, CHAMPION, made.version)
    return int(made.version)


def with_data(config: RetrainConfig, **values: object) -> RetrainConfig:
    return config.model_copy(update={"data": config.data.model_copy(update=values)})


def test_a_configuration_of_the_champions_shape_may_be_trained(config: RetrainConfig, stack: Settings) -> None:
    assert require_comparable(config, stack) == 1


def test_a_model_without_a_champion_may_be_trained(stack: Settings) -> None:
    assert require_comparable(digits_config("never-trained"), stack) is None


@pytest.mark.parametrize(("field", "value"), [("image_size", 64), ("channels", 3)])
def test_another_shape_is_refused_with_the_remedy(
    config: RetrainConfig, stack: Settings, field: str, value: int
) -> None:
    with pytest.raises(UsageError, match=rf"data\.{field}={value} cannot be compared .* another data\.name"):
        require_comparable(with_data(config, **{field: value}), stack)


def test_a_champion_without_our_record_is_refused_with_the_remedy(config: RetrainConfig, stack: Settings) -> None:
    foreign = foreign_champion(config, stack)
    with pytest.raises(UsageError, match=rf"version {foreign}, .*`wgan rollback {config.model_name} --to 2`"):
        require_comparable(config, stack)


def test_the_remedy_works(config: RetrainConfig, stack: Settings) -> None:
    foreign_champion(config, stack)
    run_wgan(stack, "rollback", config.model_name, "--to", "2")
    assert require_comparable(config, stack) == 2


def test_every_command_that_would_train_refuses_before_touching_data(
    config: RetrainConfig, stack: Settings, storage: Storage
) -> None:
    name = config.data.dataset_name
    shape = quick(name, "data.image_size=64")
    prepared = [entry.key for entry in storage.list(f"datasets/{name}/")]
    for arguments in (["retrain"], ["retrain", "--dry-run"], ["schedule", "add", "--cron", "0 3 1 1 *"]):
        answer = run_wgan(stack, *arguments, *shape, code=2)
        assert "data.image_size=64 cannot be compared with the champion" in answer.stderr
        assert len(answer.stderr.splitlines()) == 1
    assert [entry.key for entry in storage.list(f"datasets/{name}/")] == prepared
    assert name not in [entry["name"] for entry in json_of(stack, "schedule", "list")["schedules"]]


def test_a_comparison_that_fails_says_that_the_version_is_registered(
    config: RetrainConfig, stack: Settings, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise WganError("the champion cannot be drawn.")

    version = register_untrained(config, 3, stack, storage)
    monkeypatch.setattr(evaluate, "measure_champion", fail)
    with pytest.raises(WganError) as caught:
        evaluate.compare_with_champion(config, version, stack, storage)
    assert str(caught.value) == (
        f"version 3 of {config.model_name} is registered, but it could not be compared with the champion, version 1: "
        f"the champion cannot be drawn. `wgan promote {config.model_name} 3` compares them again."
    )


def test_a_training_whose_comparison_fails_is_a_registered_version(
    config: RetrainConfig, stack: Settings, storage: Storage
) -> None:
    """The champion's graph is missing, which only its measurement detects."""
    model = tracking_client(stack).get_model_version(config.model_name, "1").source.removeprefix("models:/")
    for entry in list(storage.list(f"{stack.mlflow_prefix}/")):
        if f"/{model}/" in entry.key and entry.key.endswith("model.onnx"):
            storage.delete(entry.key)
    name = config.data.dataset_name
    answer = run_wgan(stack, "retrain", *quick(name, "data.max_images=300"), code=1)
    assert f"Version 3 of {config.model_name} is registered, but it could not be compared" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert [entry.version for entry in list_versions(config.model_name, 20, stack).versions] == [3, 2, 1]
