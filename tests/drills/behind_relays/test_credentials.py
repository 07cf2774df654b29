"""The object store no longer accepts the credentials."""

from __future__ import annotations

from typing import Any

from tests.drills.common_training import EVERY, assert_whole, common, flow_run_of, retries
from tests.drills.faulty_stack import FaultyStack
from tests.integration.serving_process import client_of

SECOND_CHECKPOINT = rf"PUT /wgan/checkpoints/.*/step-{2 * EVERY:08d}\.pt"


def test_credentials_that_expire_in_training_are_reported_and_new_ones_let_it_resume(
    faulty: FaultyStack, undisturbed: Any
) -> None:
    def expire() -> None:  # those of the pipeline; MLflow has its own
        faulty.s3.choose = lambda request: None if "mlflow" in request else "ExpiredToken"

    faulty.s3.at_first(SECOND_CHECKPOINT, expire)
    ended = faulty.run("retrain", *common("expired"), code=1)
    sentence = ended.stderr.strip().splitlines()[-1]
    flow_run = flow_run_of(ended.stderr)
    print(sentence)
    assert "(ExpiredToken): the credentials have expired" in sentence
    assert "WGAN_S3_ACCESS_KEY_ID and WGAN_S3_SECRET_ACCESS_KEY" in sentence
    assert "Traceback" not in ended.stderr
    assert retries(faulty, flow_run) == {}, "expired credentials were tried again"
    faulty.s3.heal()
    assert [checkpoint.step for checkpoint in faulty.checkpoints(flow_run)] == [EVERY]
    client = client_of(faulty.settings)
    assert not client.search_model_versions("name = 'generator-expired'")
    experiment = client.get_experiment_by_name(faulty.settings.mlflow_experiment)
    (run,) = client.search_runs([experiment.experiment_id], f"tags.`wgan.flow_run_id` = '{flow_run}'")
    assert run.info.status == "FAILED"

    assert_whole(faulty, faulty.json("retrain", "--resume", flow_run), undisturbed)


def test_wrong_keys_are_reported_before_any_work(faulty: FaultyStack) -> None:
    ended = faulty.run("retrain", *common("refused"), code=1, WGAN_S3_ACCESS_KEY_ID="somebody-else")
    (sentence,) = ended.stderr.strip().splitlines()
    assert "refused" in sentence
    assert "InvalidAccessKeyId" in sentence
    assert "WGAN_S3_ACCESS_KEY_ID" in sentence
