"""Concurrent operations: retrainings, promotions, a promotion during a rollback."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import start as start_wgan
from tests.integration.worker_process import ask
from wgan.settings import Settings

pytestmark = [pytest.mark.slow(minutes=6), pytest.mark.long]

MODEL = "generator-at-once"
Ended = tuple[int | None, str, str]
"""A command's exit code, output and errors."""


def together(settings: Settings, *commands: list[str]) -> list[Ended]:
    """Run the commands at the same time."""
    processes = [start_wgan(settings, *command) for command in commands]
    ended = [(*process.communicate(timeout=600), process.returncode) for process in processes]
    return [(code, out, errors) for out, errors, code in ended]


@dataclass(frozen=True)
class Retrained:
    """The outcomes of two retrainings started together, and the registry's state right afterwards."""

    ended: list[Ended]
    versions: list[Any]
    history: list[Any]


@pytest.fixture(scope="module")
def retrained(stack: Settings) -> Retrained:
    """Versions 1 and 2 of the model."""
    steps = ("training.generator_steps=200", "training.checkpoint_every_steps=200", "training.sample_every=200")
    ended = together(
        stack,
        ["retrain", *quick("at-once", *steps), "--json"],
        ["retrain", *quick("at-once", *steps, "training.seed=1"), "--json"],
    )
    assert [code for code, _, _ in ended] == [0, 0], ended
    versions = json_of(stack, "models", MODEL)["versions"]
    return Retrained(ended, versions, json_of(stack, "models", MODEL, "--history")["history"])


def test_two_retrainings_of_one_model_run_in_turn_and_the_second_is_compared_with_the_first(
    retrained: Retrained,
) -> None:
    assert sum(f"waits for another retraining of {MODEL}" in errors for _, _, errors in retrained.ended) == 1
    assert [entry["version"] for entry in retrained.versions] == [2, 1]
    assert [entry["to_version"] for entry in retrained.history] == [1, 2]
    second = retrained.history[1]
    measured_against = second["decision"]["champion_version"]
    assert measured_against == 1
    assert second["from_version"] == 1


@pytest.mark.usefixtures("retrained")
@pytest.mark.parametrize("other", ["promote", "rollback"])
def test_a_promotion_concurrent_with_another_move_leaves_one_order_of_events(stack: Settings, other: str) -> None:
    """In either order, each entry starts from the champion set by the one before."""
    versions = {entry["version"]: entry for entry in json_of(stack, "models", MODEL)["versions"]}
    champion = next(number for number, entry in versions.items() if "champion" in entry["aliases"])
    candidate = next(number for number in versions if number != champion)
    force = ["promote", MODEL, str(candidate), "--force", "--reason", "drill", "--json"]
    back = ["rollback", MODEL, "--to", str(candidate), "--reason", "drill", "--json"]
    ended = together(stack, force, force if other == "promote" else back)
    assert 0 in [code for code, _, _ in ended], ended
    for code, _, errors in ended:
        assert code in (0, 1, 2), errors
        assert "Traceback" not in errors
        if code:
            assert "is already the champion" in errors or "is version" in errors
    history = json_of(stack, "models", MODEL, "--history")["history"]
    moves = [entry for entry in history if entry["action"] != "refused"]
    for before, after in itertools.pairwise(moves):
        assert after["from_version"] == before["to_version"]
    now = json_of(stack, "models", MODEL)["versions"]
    assert [entry["version"] for entry in now if "champion" in entry["aliases"]] == [moves[-1]["to_version"]]
    assert ask(stack, "flow_runs/filter", flow_runs={"state": {"type": {"any_": ["RUNNING"]}}}) == []
