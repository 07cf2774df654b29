"""Serving works in a process that cannot import torch, MLflow, Prefect or boto3."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HIDDEN = """
import sys
for name in ("torch", "torchvision", "onnx", "mlflow", "prefect", "boto3"):
    sys.modules[name] = None
"""
IMPORT_ALL = """
import importlib, pkgutil, wgan.commands.serve, wgan.model_version, wgan.serving
for package in (wgan.model_version, wgan.serving):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
        print(module.name)
"""
SERVE_ONE = """
import time
from pathlib import Path
from starlette.testclient import TestClient
from wgan.serving.app import create_app
from wgan.serving.service import make_service
from wgan.settings import Settings
settings = Settings(_env_file=None, cache_dir=Path(sys.argv[1]), mlflow_tracking_uri="http://127.0.0.1:1")
with TestClient(create_app(make_service(("generator-examples",), "champion", settings))) as client:
    deadline = time.monotonic() + 60
    while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    answer = client.post("/v1/images", json={"count": 1})
    print(answer.status_code, answer.headers["content-type"])
"""
CHECKOUT = Path(__file__).parents[2]


def run_hidden(program: str, *arguments: str) -> list[str]:
    """The program's output where torch, MLflow, Prefect and boto3 cannot be imported."""
    command = [sys.executable, "-c", HIDDEN + program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_every_module_of_serving_imports_without_torch_and_mlflow() -> None:
    modules = {f"wgan.serving.{path.stem}" for path in (CHECKOUT / "wgan/serving").glob("[!_]*.py")}
    assert modules <= set(run_hidden(IMPORT_ALL))


def test_an_image_is_served_without_torch_and_mlflow(served_cache: Path) -> None:
    assert run_hidden(SERVE_ONE, str(served_cache)) == ["200", "image/png"]
