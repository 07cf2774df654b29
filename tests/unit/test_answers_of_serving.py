"""How the pipeline interprets a serving process's answers: only the version's own fault is a refusal."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from wgan.records import LedgerEntry
from wgan.steps.confirm_serving import _drawn, _followed, _NotServed

MODEL = "generator-x"
PROMOTION = LedgerEntry.model_validate(
    {
        "id": "0123456789ab",
        "model_name": MODEL,
        "action": "promoted",
        "time": "2026-01-01T00:00:00Z",
        "from_version": 1,
        "to_version": 2,
        "reason": "better",
    }
)


def answering(**answer: Any) -> httpx.Client:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, **answer))
    return httpx.Client(transport=transport, base_url="http://serving.example")


def ready(**champion: Any) -> httpx.Client:
    state = {"serving": 1, "wanted": 2, "failures": 0, "stale": None, "version_faults": 0, "fault": None, **champion}
    return answering(json={"name": MODEL, "alias": "champion", "aliases": {"champion": state}})


def refusing(code: str, every: bool = False) -> httpx.Client:
    """A process without that model; `every`: it serves every model with a champion."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"every": every, "models": []})
        return httpx.Response(404, json={"error": {"code": code, "message": "No."}})

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://serving.example")


def test_a_version_that_failed_twice_through_its_own_fault_is_refused() -> None:
    outcome, reason = _followed(ready(failures=2, version_faults=2, fault="version", stale="wrong digest"), PROMOTION)
    assert (outcome, reason) == ("refused", "it could not take the version into service: wrong digest")


def test_one_failure_is_not_yet_a_refusal() -> None:
    assert _followed(ready(failures=1, version_faults=1, fault="version"), PROMOTION)[0] == "unconfirmed"


def test_a_fault_of_the_process_stays_unconfirmed_however_often_it_fails() -> None:
    outcome, reason = _followed(ready(failures=50, fault="process", stale="its disk is full"), PROMOTION)
    assert outcome == "unconfirmed"
    assert reason == "it has a local fault and still draws version 1: its disk is full"


def test_a_failure_without_a_stated_fault_says_nothing_about_the_version() -> None:
    state = {"serving": 1, "wanted": 2, "failures": 2, "stale": "no"}
    client = answering(json={"name": MODEL, "alias": "champion", "aliases": {"champion": state}})
    assert _followed(client, PROMOTION)[0] == "unconfirmed"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b'{"aliases": 3}', b'{"aliases": []}', b"\xff\xfe", b"<html>"]
)
def test_an_answer_from_another_program_says_nothing_about_the_version(body: bytes) -> None:
    assert _followed(answering(content=body), PROMOTION) == (
        "unconfirmed",
        "it is not a serving process of this pipeline",
    )


def test_a_process_for_other_models_or_another_alias_is_not_waited_for() -> None:
    with pytest.raises(_NotServed, match="it was started for other models: name generator-x too"):
        _followed(refusing("unknown-model"), PROMOTION)
    with pytest.raises(_NotServed, match="it follows the alias challenger"):
        _followed(answering(json={"name": MODEL, "alias": "challenger", "aliases": {"champion": 7}}), PROMOTION)


def test_a_process_that_serves_every_model_is_waited_for() -> None:
    outcome, reason = _followed(refusing("unknown-model", every=True), PROMOTION)
    assert outcome == "unconfirmed"
    assert reason.startswith("it has not added generator-x")


def test_a_required_key_is_named() -> None:
    outcome, reason = _followed(refusing("api-key"), PROMOTION)
    assert outcome == "unconfirmed"
    assert "set WGAN_SERVING_API_KEY" in reason


@pytest.mark.parametrize("body", [b"", b"\x93NUMPY", b"<html>", b"PK\x03\x04", b"\x93NUMPY\x01\x00\x02\x00{}"])
def test_an_invalid_array_says_nothing_about_the_version(body: bytes) -> None:
    client = answering(content=body, headers={"X-WGAN-Version": "2"})
    outcome, reason, _ = _drawn(client, PROMOTION, np.zeros((1, 1, 8, 8), dtype=np.float32), 0)
    assert (outcome, reason) == ("unconfirmed", "its answer is not an array of images")
