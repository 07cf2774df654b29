"""MLflow's signature is accepted once, within five minutes; MLflow's own signing code makes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.webhooks.delivery import _generate_hmac_signature

from tests.unit.serving.example_service import example_client
from wgan.serving.webhook import Webhook

BODY = b'{"entity": "model_version_alias", "action": "created"}'
NOW = 1_800_000_000


def signed(secret: str = "s3cret", delivery: str = "d-1", at: int = NOW, body: bytes = BODY) -> dict[str, str]:
    return {
        "x-mlflow-signature": _generate_hmac_signature(secret, delivery, str(at), body.decode()),
        "x-mlflow-timestamp": str(at),
        "x-mlflow-delivery-id": delivery,
    }


@pytest.fixture
def webhook() -> Webhook:
    return Webhook("s3cret", now=lambda: NOW)


def test_a_genuine_delivery_is_accepted_once(webhook: Webhook) -> None:
    assert [webhook.check(signed(), BODY) for _ in range(3)] == ["accepted", "repeated", "repeated"]
    assert webhook.check(signed(delivery="d-2"), BODY) == "accepted"


@pytest.mark.parametrize(
    ("age", "outcome"), [(300, "accepted"), (301, "refused"), (-300, "accepted"), (-301, "refused")]
)
def test_a_delivery_is_fresh_for_five_minutes(webhook: Webhook, age: int, outcome: str) -> None:
    assert webhook.check(signed(at=NOW - age), BODY) == outcome


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed("another"),
        {**signed(), "x-mlflow-timestamp": str(NOW + 1)},
        {**signed(), "x-mlflow-delivery-id": "x"},
    ],
)
def test_a_delivery_not_signed_with_the_secret_is_refused(webhook: Webhook, headers: dict[str, str]) -> None:
    assert webhook.check(headers, BODY) == "refused"
    assert webhook.check(signed(), BODY + b" ") == "refused"


@pytest.mark.parametrize("stamp", ["9" * 5000, "-1", "1e9", "１８０００００００", "", " 1800000000"])
def test_an_invalid_time_is_refused_even_if_signed(webhook: Webhook, stamp: str) -> None:
    signature = _generate_hmac_signature("s3cret", "d-1", stamp, BODY.decode())
    headers = {"x-mlflow-signature": signature, "x-mlflow-timestamp": stamp, "x-mlflow-delivery-id": "d-1"}
    assert webhook.check(headers, BODY) == "refused"


def test_without_a_secret_there_is_no_webhook_and_with_one_it_triggers_a_poll(served_cache: Path) -> None:
    import time

    with example_client(served_cache) as (client, _):
        assert client.post("/hooks/mlflow", json={}).status_code == 404
    with example_client(served_cache, serve_webhook_secret="s3cret", serve_poll_seconds=3600) as (client, service):
        headers = {**signed(at=int(time.time())), "Content-Type": "application/json"}
        before = service.catalogue.require_default().follower.registry_failures
        assert client.post("/hooks/mlflow", content=BODY, headers=headers).json() == {"status": "polling"}
        deadline = time.monotonic() + 20
        while service.catalogue.require_default().follower.registry_failures == before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert service.catalogue.require_default().follower.registry_failures > before
        assert client.post("/hooks/mlflow", content=BODY, headers=headers).json() == {"status": "known already"}
        assert client.post("/hooks/mlflow", content=b"{}", headers=headers).status_code == 401
