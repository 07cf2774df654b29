"""The commands of the README, in its order."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from itertools import pairwise

import pytest
from PIL import Image

from tests.integration.command_line import OPEN_FLOORS, QUICK, assigned
from tests.integration.stack_commands import run as run_wgan
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=5)

TWIN = ("training.seed=1", "training.lr=1e-4", "training.precision=float32")
"""Both retrainings of the walk draw the same to the bit, so the gate cannot find the second better: it refuses."""
WALK = {
    "wgan status": 0,
    "wgan doctor": 0,
    "wgan presets": 0,
    "wgan retrain --preset mnist --dry-run": 0,
    "wgan retrain --preset digits --set training.seed=1 --set training.lr=1e-4": 0,
    "wgan retrain --preset digits --no-promote": 0,
    "wgan data prepare --preset digits": 0,
    "wgan data list": 0,
    "wgan data show digits": 0,
    "wgan data report digits": 0,
    "wgan models": 0,
    "wgan models generator-digits": 0,
    "wgan evaluate generator-digits": 0,
    "wgan evaluate generator-digits 1 --protocol quick": 0,
    "wgan compare generator-digits 1 2 --output report.html": 0,
    "wgan promote generator-digits 2 --dry-run": 3,
    "wgan promote generator-digits 2": 3,
    'wgan promote generator-digits 2 --force --reason "the champion has a watermark"': 0,
    "wgan models generator-digits --history": 0,
    "wgan rollback generator-digits": 0,
    "curl -sS http://127.0.0.1:8080/v1/images -H 'Content-Type: application/json' "
    """-d '{"count": 16, "seed": 7}' -o images.png""": 0,
    "curl -sS 'http://127.0.0.1:8080/v1/interpolate?from=1&to=2' -o walk.webp": 0,
    "curl -sS http://127.0.0.1:8080/v1/model": 0,
    "curl -sS http://127.0.0.1:8080/v1/models/generator-digits/images -H 'Content-Type: application/json' "
    """-d '{"scale": 8}' -o large.png""": 0,
    'wgan schedule add --preset digits --cron "0 3 * * 1" --timezone Europe/Berlin --if-changed': 0,
    "wgan schedule list": 0,
    "wgan schedule run digits": 0,
    "wgan schedule pause digits": 0,
    "wgan schedule resume digits": 0,
    "wgan schedule remove digits": 0,
    "wgan housekeeping --dry-run": 0,
}
"""Command → exit code. Retrainings are shortened; `tests/unit/test_documented_commands.py` has the others."""


def test_the_walk_through_the_readme_works_as_printed(stack: Settings) -> None:
    for command, expected in WALK.items():
        program, *arguments = shlex.split(command)
        if program == "curl":
            _ask(stack, arguments)
            continue
        if arguments[0] == "retrain" and "--dry-run" not in arguments:
            own = [text for option, text in pairwise(arguments) if option == "--set"]
            others = [part for part in arguments if part != "--set" and part not in own]
            arguments = [*others, *assigned(*own, *QUICK, *OPEN_FLOORS, *TWIN)]
        result = run_wgan(stack, *arguments, code=expected)
        assert result.stdout.strip(), command
        assert "Traceback" not in result.stderr, command


def _ask(stack: Settings, arguments: list[str]) -> None:
    """Run curl against this stack's serving process; the fetched file must exist and not be an error."""
    if shutil.which("curl") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("curl is not installed")
    moved = [argument.replace(":8080", f":{stack.serve_port}") for argument in arguments]
    answer = subprocess.run(["curl", "--fail", *moved], capture_output=True, check=True).stdout
    if "-o" in moved:
        with Image.open(moved[moved.index("-o") + 1]) as picture:
            assert picture.format in ("PNG", "WEBP")
    else:
        assert json.loads(answer)["name"] == "generator-digits"
