"""The application serves an image in a process that cannot import torch, MLflow or Prefect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
for name in ("torch", "torchvision", "onnx", "mlflow", "prefect"):
    sys.modules[name] = None
from pathlib import Path
from starlette.testclient import TestClient
import time
from wgan.serving.app import create_app
from wgan.serving.service import make_service
from wgan.settings import Settings
import wgan.serving.server, wgan.commands.serve
settings = Settings(_env_file=None, cache_dir=Path(sys.argv[1]), mlflow_tracking_uri="http://127.0.0.1:1")
with TestClient(create_app(make_service("generator-examples", "champion", settings))) as client:
    deadline = time.monotonic() + 60
    while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    answer = client.post("/v1/images", json={"count": 1})
    print(answer.status_code, answer.headers["content-type"])
"""


def test_an_image_is_served_where_torch_and_mlflow_cannot_be_imported(served_cache: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(served_cache)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3])
    assert done.stdout.split() == ["200", "image/png"], done.stderr
