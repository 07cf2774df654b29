"""The extra `serve` in an environment of its own: there is no torch, an image is served, a worker is not begun."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import httpx

from tests.integration.environment_of_extra import environment_of_extra
from tests.integration.stack_commands import wait_for
from tests.unit.serving.example_service import MODEL, NOBODY, write_version


def test_serve_runs_in_an_environment_without_torch(tmp_path: Path) -> None:
    python = environment_of_extra("wgan-pipeline", "serve", tmp_path / "venv")
    missing = subprocess.run([python, "-c", "import torch"], capture_output=True, text=True)
    assert "No module named 'torch'" in missing.stderr

    worker = subprocess.run([python, "-m", "wgan", "worker"], capture_output=True, text=True, cwd=tmp_path)
    assert (worker.returncode, worker.stdout) == (1, "")
    assert worker.stderr.startswith("This command needs torch, which is not installed here: pip install ")

    write_version(tmp_path / "cache", 1, 1)
    environment = {"WGAN_CACHE_DIR": str(tmp_path / "cache"), "WGAN_MLFLOW_TRACKING_URI": NOBODY}
    process = subprocess.Popen(
        [python, "-m", "wgan", "serve", MODEL, "--port", "0"],
        env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        with httpx.Client(base_url=process.stdout.readline().split()[-1], timeout=30) as client:
            wait_for(lambda: client.get("/readyz").status_code == 200, 60)
            answer = client.post("/v1/images", json={"count": 4, "seed": 1})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
