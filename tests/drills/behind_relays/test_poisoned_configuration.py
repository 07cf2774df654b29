"""Impossible or hostile configurations are refused in one sentence, before any work."""

from __future__ import annotations

import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.drills.common_training import common
from tests.drills.faulty_stack import FaultyStack
from tests.integration.command_line import quick
from tests.integration.serving_process import client_of
from tests.integration.stack_commands import environment, prefect_login
from tests.integration.worker_process import flow_run, task_runs, wait_for_end, worker
from wgan.settings import Settings

MOST_BYTES = 4 * 2**30
NINE = "[" + ",".join(["*{0}"] * 9) + "]"
LEVELS = "abcdefghi"
BOMB = "a: &a [x]\n" + "".join(f"{name}: &{name} {NINE.format(before)}\n" for before, name in pairwise(LEVELS))
FILES = {
    "a bomb of aliases": (f"{BOMB}training: {{lr: *i}}\n", "aliases (*name) are not read"),
    "a bomb of merged keys": (BOMB.replace(": &", ":\n  <<: &"), "aliases (*name) are not read"),
    "brackets without end": ("training: " + "[" * 100_000, "nested too deeply"),
    "not a number": ("training: {lr: .nan}\n", "training.lr=nan is not allowed: input should be a finite number."),
    "infinity": ("promotion: {max_fid: .inf}\n", "promotion.max_fid=inf is not allowed"),
    "text for a number": ("training: {generator_steps: many}\n", "training.generator_steps='many' is not allowed"),
    "true for a number": ("training: {lr: yes}\n", "training.lr='yes' is not allowed"),
    "an impossible beta": ("training: {adam_betas: [0.0, 2.0]}\n", "training.adam_betas.1=2.0 is not allowed"),
    "an unknown key": ("training: {learning_rate: 1}\n", "no setting training.learning_rate; training has objective"),
    "code": ("training: {lr: !!python/object/apply:os.getpid []}\n", "could not determine a constructor"),
    "six thousand digits": (
        "training: {generator_steps: " + "9" * 6000 + "}\n",
        "unable to parse input string as an integer, exceeded maximum size",
    ),
    "bytes": ("\x00\x01", "is not YAML"),
}


def bounded() -> None:
    """Limit the process to the memory that a configuration can need."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


@pytest.mark.parametrize("name", FILES)
def test_a_poisoned_file_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    text, reason = FILES[name]
    file = tmp_path / "poison.yaml"
    file.write_text(text)
    settings = Settings(home=tmp_path / "home")
    command = [sys.executable, "-m", "wgan", "retrain", "--preset", "digits", "--config", str(file)]
    ended = subprocess.run(
        command, env=environment(settings), capture_output=True, text=True, timeout=120, preexec_fn=bounded
    )
    assert ended.returncode == 2, ended.stderr
    (sentence,) = ended.stderr.strip().splitlines()
    assert reason in sentence
    assert len(sentence) < 1000
    assert not settings.home.exists()


def test_a_ruinous_learning_rate_makes_no_champion(faulty: FaultyStack) -> None:
    outcome = faulty.json("retrain", *common("ruined", "training.objective=wgan-gp", "training.lr=1"))
    print(outcome["promotion"]["reason"])
    assert outcome["promotion"]["action"] == "refused"
    assert "identical images" in outcome["promotion"]["reason"]
    assert client_of(faulty.settings).get_registered_model("generator-ruined").aliases == {}


@pytest.mark.slow
def test_a_scheduled_run_with_impossible_parameters_does_no_work(faulty: FaultyStack, tmp_path: Path) -> None:
    faulty.run("schedule", "add", "--cron", "0 3 1 1 *", "--name", "poisoned", *quick("poisoned"))
    login = prefect_login(faulty.settings)
    api = httpx.Client(base_url=faulty.variables["WGAN_PREFECT_API_URL"], auth=login, timeout=60)
    deployment = api.get("/deployments/name/retrain/poisoned").json()
    good = deployment["parameters"]["config"]

    def asked_for(**changed: Any) -> httpx.Response:
        config = {section: good[section] | changed.get(section, {}) for section in good}
        route = f"/deployments/{deployment['id']}/create_flow_run"
        return api.post(route, json={"parameters": {"config": config, "promote": True, "only_if_changed": False}})

    for section, values, word in (
        ("training", {"lr": -1}, "lr"),
        ("training", {"generator_steps": "many"}, "many"),
        ("networks", {"depth": 3}, "depth"),
    ):
        refused = asked_for(**{section: values})
        assert refused.status_code in (409, 422), refused.text
        assert word in refused.text

    # The run reports what no schema can express, before any step.
    taken = asked_for(data={"source": "folder", "location": None})
    assert taken.status_code in (200, 201), taken.text
    with worker(faulty.settings, tmp_path, **faulty.variables):
        ended = wait_for_end(faulty.settings, taken.json()["id"])
    assert ended["state_type"] == "FAILED"
    print(ended["state"]["message"])
    assert "data.location is needed for data.source=folder" in ended["state"]["message"]
    assert task_runs(faulty.settings, ended["id"]) == []
    assert flow_run(faulty.settings, ended["id"])["run_count"] <= 1
