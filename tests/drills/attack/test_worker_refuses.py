"""A worker runs this pipeline's flows and nothing else, whatever the Prefect server says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.stack_commands import run, wait_for
from tests.integration.worker_process import Worker, ask, flow_run, prefect, read, worker
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=2)
POOL = "attacked"
OPEN_TEMPLATE = {
    "job_configuration": {"command": "{{ command }}", "env": "{{ env }}", "working_dir": "{{ working_dir }}"},
    "variables": {
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "env": {"type": "object"},
            "working_dir": {"type": "string"},
        },
    },
}
ATTACKS = (
    "pull steps",
    "a command",
    "a folder with code",
    "a variable that Python heeds",
    "a foreign file",
    "a foreign module",
    "a foreign place",
    "no entry point",
)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that every attack would create."""
    return tmp_path_factory.mktemp("attack") / "executed"


@pytest.fixture(scope="module")
def attacked(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker of a pool that lets deployments name their command."""
    ask(stack, "work_pools/", name=POOL, type="process", base_job_template=OPEN_TEMPLATE)
    with worker(stack, tmp_path_factory.mktemp("worker"), "--pool", POOL) as running:
        yield running


def attacks(proof: Path) -> dict[str, dict[str, Any]]:
    """Deployments by what they try."""
    own = {"entrypoint": "flows.housekeeping.housekeeping", "path": "."}
    folder = proof.parent / "code"
    (folder / "flows").mkdir(parents=True, exist_ok=True)
    code = f"from pathlib import Path\nPath({str(proof)!r}).touch()\ndef housekeeping(): pass\n"
    (folder / "flows" / "housekeeping.py").write_text(code)
    (folder / "flows" / "__init__.py").touch()
    shell = {"prefect.deployments.steps.run_shell_script": {"script": f"touch {proof}"}}
    return {
        "pull steps": {**own, "pull_steps": [shell]},
        "a command": {**own, "job_variables": {"command": f"touch {proof}"}},
        "a folder with code": {**own, "job_variables": {"working_dir": str(folder)}},
        "a variable that Python heeds": {**own, "job_variables": {"env": {"PYTHONPATH": str(folder)}}},
        "a foreign file": {"entrypoint": f"{folder}/flows/housekeeping.py:housekeeping", "path": str(folder)},
        "a foreign module": {"entrypoint": "antigravity.fly", "path": "."},
        "a foreign place": {**own, "path": str(folder)},
        "no entry point": {"path": "."},
    }


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_deployment_is_refused_if_it_has(stack: Settings, attacked: Worker, proof: Path, attack: str) -> None:
    flow = ask(stack, "flows/", name="attack")["id"]
    values = attacks(proof)[attack]
    made = ask(stack, "deployments/", name=attack, flow_id=flow, work_pool_name=POOL, tags=["wgan-schedule"], **values)
    started = ask(stack, f"deployments/{made['id']}/create_flow_run", state={"type": "SCHEDULED"})
    found = end_of(stack, started["id"])
    assert (found["state_type"], found["state_name"]) == ("FAILED", "Forbidden")
    assert found["state"]["message"].startswith("The worker refused this run because ")
    assert not proof.exists()


def end_of(stack: Settings, run_id: str) -> Any:
    wait_for(lambda: flow_run(stack, run_id)["state_type"] not in ("SCHEDULED", "PENDING"), 60)
    return flow_run(stack, run_id)


def test_a_run_with_its_own_command_is_refused(stack: Settings, attacked: Worker, proof: Path) -> None:
    flow = ask(stack, "flows/", name="attack")["id"]
    own = {"entrypoint": "flows.housekeeping.housekeeping", "path": "."}
    made = ask(stack, "deployments/", name="innocent", flow_id=flow, work_pool_name=POOL, **own)
    command = {"command": f"touch {proof}"}
    started = ask(
        stack, f"deployments/{made['id']}/create_flow_run", state={"type": "SCHEDULED"}, job_variables=command
    )
    found = end_of(stack, started["id"])
    assert "it sets job variables ('command')" in found["state"]["message"]
    assert not proof.exists()


def test_a_command_from_the_pool_is_ignored(stack: Settings, attacked: Worker, proof: Path) -> None:
    """The worker ignores the pool: this run executes housekeeping and ends with its state."""
    template = json.loads(json.dumps(OPEN_TEMPLATE))
    template["variables"]["properties"]["command"]["default"] = f"touch {proof}"
    prefect(stack, "PATCH", f"work_pools/{POOL}", json={"base_job_template": template})
    flow = ask(stack, "flows/", name="attack")["id"]
    own = {"entrypoint": "flows.housekeeping.housekeeping", "path": "."}
    made = ask(stack, "deployments/", name="ordinary", flow_id=flow, work_pool_name=POOL, **own)
    started = ask(stack, f"deployments/{made['id']}/create_flow_run", state={"type": "SCHEDULED"})
    wait_for(lambda: flow_run(stack, started["id"])["state_type"] in ("COMPLETED", "FAILED"), 200)
    assert flow_run(stack, started["id"])["state_type"] == "COMPLETED"
    assert not proof.exists()


def test_the_pools_of_this_pipeline_accept_no_job_variables(stack: Settings, tmp_path: Path) -> None:
    """Including those that an earlier version left open."""
    ask(stack, "work_pools/", name="left-open", type="process", base_job_template=OPEN_TEMPLATE)
    file = tmp_path / "schedules.yaml"
    file.write_text("schedules: []")
    run(stack, "schedule", "apply", str(file), WGAN_WORK_POOL="left-open")
    template = read(stack, "work_pools/left-open")["base_job_template"]
    assert template["variables"]["properties"] == {}
    assert "{{" not in json.dumps(template["job_configuration"])
