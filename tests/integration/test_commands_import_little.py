"""Interactive commands do not import packages that they do not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("mlflow", "pandas", "torch")
STARTED = """
import sys
from wgan.cli import main
sys.argv = ["wgan", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded", *{name.partition(".")[0] for name in sys.modules})
"""
IMPORTED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print("loaded", *{name.partition(".")[0] for name in sys.modules})
"""
NEEDED = (
    "wgan.commands.flow_session",
    "flows.running",
    "flows.housekeeping",
    "wgan.registry.aliases",
    "wgan.registry.promotion",
)
"""What housekeeping imports, and what promote and compare import until they measure."""


def loaded(program: str, *arguments: str, folder: Path = ROOT) -> set[str]:
    """Packages that a process has loaded when the program has run."""
    command = [sys.executable, "-c", program, *arguments]
    environment = {"PYTHONPATH": str(ROOT), "WGAN_MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("loaded ")]
    return set(line.split()[1:])


@pytest.mark.parametrize("command", ["models", "models generator-digits"])
def test_models_imports_only_what_it_needs_to_ask_the_registry(command: str, tmp_path: Path) -> None:
    """Nothing listens at the address, but finding out imports everything the command needs."""
    found = loaded(STARTED, *command.split(), folder=tmp_path)
    assert "httpx" in found
    assert found.isdisjoint({*HEAVY, "boto3", "numpy", "prefect", "scipy"})


def test_a_rollback_imports_only_what_it_needs_to_move_an_alias() -> None:
    found = loaded(IMPORTED, "wgan.cli", "wgan.steps.roll_back")
    assert {"boto3", "httpx"} <= found
    assert found.isdisjoint({*HEAVY, "numpy", "prefect", "scipy"})


def test_moving_an_alias_and_housekeeping_import_nothing_for_training() -> None:
    assert loaded(IMPORTED, *NEEDED).isdisjoint(HEAVY)
