"""Every command of the README is run: here in one walk through its chapters, or by the test or CI step named here."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.command_line import OPEN_FLOORS, QUICK
from tests.integration.stack_commands import run as run_wgan
from wgan.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow]
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
    "wgan promote generator-digits 2 --dry-run": (0, 3),
    "wgan promote generator-digits 2": (0, 3),
    'wgan promote generator-digits 2 --force --reason "the champion has a watermark"': (0, 2),
    "wgan models generator-digits --history": 0,
    "wgan rollback generator-digits": 0,
    "wgan retrain --preset digits --set data.source=folder --set data.location=/data/faces "
    "--set data.name=faces --set data.channels=3 --set data.image_size=64": 0,
}
"""Command → exit code, or codes; retrainings are shortened, and the folder is one of this test.

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


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    noise = np.random.default_rng(1)
    for index in range(20):
        Image.fromarray(noise.integers(0, 256, (70, 66, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def test_the_walk_through_the_readme_works_as_printed(stack: Settings, faces: Path) -> None:
    for command, expected in WALK.items():
        arguments = shlex.split(command.replace("/data/faces", str(faces)))[1:]
        if arguments[0] == "retrain" and "--dry-run" not in arguments:
            for assignment in (*QUICK, *OPEN_FLOORS):
                arguments += ["--set", assignment]
        result = run_wgan(stack, *arguments, code=expected)
        assert result.stdout.strip() or result.returncode == 2, command
        assert "Traceback" not in result.stderr, command
