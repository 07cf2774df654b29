"""Every command of the README is run: here in one walk through its chapters, or by the test or CI step named here."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.integration.command_line import OPEN_FLOORS, QUICK
from tests.integration.stack_commands import run as run_wgan
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=5)
ROOT = Path(__file__).resolve().parents[2]

WALK: dict[str, int | tuple[int, ...]] = {
    "wgan status": 0,
    "wgan doctor": 0,
    "wgan presets": 0,
    "wgan retrain --preset mnist --dry-run": 0,
    "wgan retrain --preset digits --set training.seed=1 --set training.lr=1e-4": 0,
    "wgan retrain --preset digits --no-promote": 0,
    "wgan data prepare --preset digits": 0,
    "wgan data list": 0,
    "wgan models": 0,
    "wgan models generator-digits": 0,
    "wgan evaluate generator-digits": 0,
    "wgan evaluate generator-digits 1 --protocol quick": 0,
    "wgan compare generator-digits 1 2 --output report.html": 0,
    "wgan promote generator-digits 2 --dry-run": (0, 3),
    "wgan promote generator-digits 2": (0, 3),
    'wgan promote generator-digits 2 --force --reason "the champion has a watermark"': (0, 2),
    "wgan models generator-digits --history": 0,
    "wgan rollback generator-digits": 0,
    "curl -sS http://127.0.0.1:8080/v1/images -H 'Content-Type: application/json' "
    """-d '{"count": 16, "seed": 7}' -o images.png""": 0,
    "curl -sS 'http://127.0.0.1:8080/v1/interpolate?from=1&to=2' -o walk.webp": 0,
    "curl -sS http://127.0.0.1:8080/v1/model": 0,
    'wgan schedule add --preset digits --cron "0 3 * * 1" --timezone Europe/Berlin --if-changed': 0,
    "wgan schedule list": 0,
    "wgan schedule run digits": 0,
    "wgan schedule pause digits": 0,
    "wgan schedule resume digits": 0,
    "wgan schedule remove digits": 0,
    "wgan housekeeping --dry-run": 0,
}
"""Command → exit code, or codes; retrainings are shortened.

Whether the gate lets version 2 pass is open; if it does, forcing the champion once more is the mistake it should be.
"""

MLFLOW_SERVE = (
    "MLFLOW_TRACKING_URI=http://127.0.0.1:5000 mlflow models serve "
    "-m models:/generator-digits@champion --env-manager local --port 5001"
)
ELSEWHERE = {
    "make run": ".ci/run",
    "make test": ".ci/run",
    ". .venv/bin/activate": ".ci/run",
    "wgan down": "tests/integration/test_stack_up_and_down.py",
    "wgan up": "tests/integration/test_stack_up_and_down.py",
    "wgan retrain --preset mnist": "tests/integration/test_retrain_real_data.py",
    "wgan retrain --preset digits --set data.source=folder --set data.location=/data/faces "
    "--set data.name=faces --set data.channels=3 --set data.image_size=64": (
        "tests/integration/test_retrain_real_data.py"
    ),
    "wgan retrain --preset digits --set training.seed=1 --set training.generator_steps=2400": (
        "tests/integration/test_serving_walk.py"
    ),
    "wgan serve generator-digits --port 8081": "tests/integration/test_serving_follows_the_registry.py",
    "wgan worker": "tests/integration/test_schedules_on_workers.py",
    "wgan schedule apply": "tests/integration/test_schedule_commands.py",
    "wgan backup /backups/today": "tests/integration/test_backup_and_restore.py",
    "wgan backup --check /backups/today": "tests/integration/test_backup_and_restore.py",
    "wgan restore /backups/today": "tests/integration/test_backup_and_restore.py",
    "wgan study --claims 3,7": "tests/integration/test_study_command.py",
    "wgan study": "tests/integration/test_study_command.py",
    MLFLOW_SERVE: "tests/integration/test_registry_versions.py",
}
"""Command → what runs it, under other names and ports."""


def commands() -> list[str]:
    """The commands in the README's shell blocks, comments and line continuations removed."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    stripped = [re.sub(r"\s+#.*$", "", line).strip() for line in lines]
    return [re.sub(r"\s+", " ", line) for line in stripped if line]


def test_every_command_is_run_here_or_by_what_is_named() -> None:
    assert sorted(set(commands())) == sorted({*WALK, *ELSEWHERE})


@pytest.mark.parametrize("where", sorted(set(ELSEWHERE.values())))
def test_what_runs_the_others_exists(where: str) -> None:
    assert (ROOT / where).is_file()


def test_the_walk_through_the_readme_works_as_printed(stack: Settings) -> None:
    for command, expected in WALK.items():
        program, *arguments = shlex.split(command)
        if program == "curl":
            _ask(stack, arguments)
            continue
        if arguments[0] == "retrain" and "--dry-run" not in arguments:
            for assignment in (*QUICK, *OPEN_FLOORS):
                arguments += ["--set", assignment]
        result = run_wgan(stack, *arguments, code=expected)
        assert result.stdout.strip() or result.returncode == 2, command
        assert "Traceback" not in result.stderr, command


def _ask(stack: Settings, arguments: list[str]) -> None:
    """Run curl against this stack's serving process; what it fetches must be there and be no refusal."""
    if shutil.which("curl") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("curl is not installed")
    moved = [argument.replace(":8080", f":{stack.serve_port}") for argument in arguments]
    answer = subprocess.run(["curl", "--fail", *moved], capture_output=True, check=True).stdout
    if "-o" in moved:
        with Image.open(moved[moved.index("-o") + 1]) as picture:
            assert picture.format in ("PNG", "WEBP")
    else:
        assert json.loads(answer)["name"] == "generator-digits"
