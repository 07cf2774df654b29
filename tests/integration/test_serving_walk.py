"""From an empty folder to a picture of the served champion, and to a retraining that replaces it live."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import httpx
import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run, wait_for
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=3)
ASK = {"count": 4, "seed": 7}
CLEAR = ("evaluation.seeds=5", "promotion.recall_margin=1", "promotion.coverage_margin=1")
"""Enough seeds to distinguish a trained generator from an untrained one by the distance alone."""


@dataclass
class Visitor:
    """A client that requests the same picture repeatedly."""

    url: str
    statuses: list[int] = field(default_factory=list)
    pictures: dict[str, set[bytes]] = field(default_factory=dict)
    """By the version that the answer names."""

    def ask_until(self, left: threading.Event) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not left.is_set():
                answer = client.post("/v1/images", json=ASK)
                self.statuses.append(answer.status_code)
                self.pictures.setdefault(answer.headers["X-WGAN-Version"], set()).add(answer.content)
                time.sleep(0.02)


def test_a_retraining_replaces_the_served_champion_without_losing_a_request(idle_stack: Settings) -> None:
    url = f"http://127.0.0.1:{idle_stack.serve_port}"
    run(idle_stack, "up", "--detach")
    nothing = "no registered model has a champion yet: `wgan promote NAME VERSION` sets one."
    wait_for(lambda: httpx.get(f"{url}/readyz").json()["reason"] == nothing)
    assert httpx.get(f"{url}/readyz").status_code == 503

    first = json_of(idle_stack, "retrain", *quick("walk", *CLEAR, "training.generator_steps=1", "training.lr=1e-6"))
    assert [check["outcome"] for check in first["serving"]] == ["confirmed"]
    visitor, left = Visitor(url), threading.Event()
    visits = threading.Thread(target=visitor.ask_until, args=(left,))
    visits.start()
    try:
        second = json_of(
            idle_stack, "retrain", *quick("walk", *CLEAR, "training.generator_steps=60", "training.lr=1e-3")
        )
    finally:
        left.set()
        visits.join()
    assert second["promotion"]["action"] == "promoted", second["promotion"]["reason"]
    assert [check["outcome"] for check in second["serving"]] == ["confirmed"]
    assert set(visitor.statuses) == {200}
    assert {version: len(pictures) for version, pictures in visitor.pictures.items()} == {"1": 1, "2": 1}

    run(idle_stack, "rollback", "generator-walk")
    deadline = time.monotonic() + 30
    while httpx.get(f"{url}/readyz").json()["version"] != 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert httpx.post(f"{url}/v1/images", json=ASK).content in visitor.pictures["1"]
