"""A result planted in the bucket is untrusted data: resuming executes nothing from it and repeats its step."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import quick
from tests.integration.stack_commands import run
from tests.integration.worker_process import ask
from wgan.settings import Settings
from wgan.storage import Storage

pytestmark = pytest.mark.slow(minutes=2)


class _Attack:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.proof,)


@pytest.fixture
def failed_run(stack: Settings, storage: Storage) -> tuple[str, list[str]]:
    """A retraining that failed after its training, and the keys of its stored results."""
    before = {entry.key for entry in storage.list(f"{stack.prefect_prefix}/")}
    # Its evaluation needs weights that do not exist.
    options = [part.replace("extractor=pixels", "extractor=inception") for part in quick("planted")]
    run(stack, "retrain", *options, code=(1, 2), WGAN_INCEPTION_WEIGHTS="/nowhere/weights.pth")
    failed = {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}, "flows": {"name": {"any_": ["retrain"]}}}
    found = ask(stack, "flow_runs/filter", **failed, sort="START_TIME_DESC", limit=1)[0]
    written = {entry.key for entry in storage.list(f"{stack.prefect_prefix}/")} - before
    # A flow's own result has no metadata beside it; a task's has, and is what a resumed run reads.
    keys = sorted(key for key in written if "metadata" in json.loads(storage.get_bytes(key)))
    assert len(keys) >= 2
    return found["id"], keys


@pytest.mark.parametrize("kind", ["pickle", "a class"])
def test_resuming_executes_nothing_from_a_planted_result(
    stack: Settings, storage: Storage, failed_run: tuple[str, list[str]], tmp_path: Path, kind: str
) -> None:
    run_id, keys = failed_run
    proof = tmp_path / "executed"
    for key in keys:
        record = json.loads(storage.get_bytes(key))
        if kind == "pickle":
            record["metadata"]["serializer"] = {"type": "pickle", "picklelib": "cloudpickle"}
            record["result"] = base64.encodebytes(pickle.dumps(_Attack(proof))).decode()
        else:
            call = {"__class__": "subprocess.getoutput", "data": {"cmd": f"touch {proof}"}}
            record["result"] = json.dumps(call)
        storage.put_bytes(key, json.dumps(record).encode())
    output = run(stack, "retrain", "--resume", run_id, code=(1, 2), WGAN_INCEPTION_WEIGHTS="/nowhere/weights.pth")
    assert "Traceback" not in output.stderr
    assert not proof.exists()
    logs = json.dumps(ask(stack, "logs/filter", logs={"flow_run_id": {"any_": [run_id]}}, limit=200))
    assert "is ignored and its step is repeated" in logs


def test_untouched_results_are_not_computed_again(stack: Settings, failed_run: tuple[str, list[str]]) -> None:
    run_id, _ = failed_run
    run(stack, "retrain", "--resume", run_id, code=(1, 2), WGAN_INCEPTION_WEIGHTS="/nowhere/weights.pth")
    states = ask(stack, "task_runs/filter", flow_runs={"id": {"any_": [run_id]}})
    assert [task["state_name"] for task in states if task["name"].startswith("train generator")].count("Cached") >= 1
