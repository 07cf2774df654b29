"""Configuration and training import where only torch, numpy, pydantic and pyyaml are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ALLOWED = {
    # What the configuration and the training import …
    "numpy", "pydantic", "torch", "torchgen", "wgan", "yaml",
    # … and what these four need themselves.
    "annotated_types", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "pydantic_core", "sympy", "triton",
    "typing_extensions", "typing_inspection",
}  # fmt: skip

HIDING = f"""
import importlib, pkgutil, sys
from importlib.metadata import packages_distributions

HIDDEN = set(packages_distributions()) - {ALLOWED!r}

class Hider:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"{{name}} is hidden", name=name)

sys.meta_path.insert(0, Hider())
assert "mlflow" in HIDDEN and "prefect" in HIDDEN and "pydantic_settings" in HIDDEN
import wgan.config
import wgan.training
for module in pkgutil.walk_packages(wgan.training.__path__, "wgan.training."):
    importlib.import_module(module.name)
print(*sorted(name for name in sys.modules if name.startswith("wgan.training.")))
"""


def test_configuration_and_training_import_with_everything_else_hidden() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", HIDING], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert {"wgan.training.loop", "wgan.training.graphs", "wgan.training.checkpoint"} <= set(done.stdout.split())
