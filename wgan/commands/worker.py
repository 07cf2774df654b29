"""`wgan worker`: run what is due."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

NVIDIA_DRIVER = Path("/proc/driver/nvidia")
"""Exists on Linux if a GPU can be used; without it torch need not be asked."""
SEEN = """
import sys
from wgan.training.device import offered_gpus
print(", ".join(f"{gpu.device} ({gpu.name})" for gpu in offered_gpus(sys.argv[1])))
"""


def worker(
    pool: Annotated[str | None, typer.Option(help="Work pool; default: WGAN_WORK_POOL.", show_default=False)] = None,
    name: Annotated[
        str | None, typer.Option(help="Name in the Prefect UI; default: host and process.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(help="Runs at the same time.", min=1)] = 2,
    gpus: Annotated[
        str | None,
        typer.Option(
            help="GPUs to train on, by number or UUID, as in 0,1; none: the CPU. Default: all it sees.",
            show_default=False,
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(help="Address of metrics for Prometheus, e.g. 127.0.0.1:9101; default: none.", show_default=False),
    ] = None,
) -> None:
    """Run due retrainings and housekeeping, each in its own process; Ctrl-C or SIGTERM stops it.

    Start as many workers as you like, on any machine that reaches the servers. A run that a stopping worker leaves
    saves a checkpoint and resumes on another worker. Each GPU holds one training at a time.
    """
    from wgan.commands.extras import require_extra
    from wgan.commands.flow_session import enter_environment, require_servers
    from wgan.commands.output import print_line
    from wgan.settings import load_settings

    require_extra("train")  # else each retraining it takes would crash and be restarted endlessly
    settings = load_settings(**({"work_pool": pool} if pool else {}))
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")  # unattended: the log is the only output
    enter_environment(settings)
    os.environ["WGAN_HOME"] = str(settings.home.resolve())  # runs have their own working directory
    offered = offer_gpus(gpus, settings.device)
    require_servers(settings)
    from flows.running import prepare_server
    from flows.worker import run_worker
    from wgan.prefect_server.automations import put_automations
    from wgan.prefect_server.client import PrefectServer
    from wgan.prefect_server.work_pool import ensure_work_pool

    prepare_server(settings)
    with PrefectServer(settings) as server:
        put_automations(server, settings)
        if pool is None:  # a given name may be a typo
            ensure_work_pool(server, settings.work_pool)
    if offered:
        print_line(f"Trains on {offered}.")
    run_worker(settings, name or f"{socket.gethostname()}-{os.getpid()}", limit, print_line, metrics)


def offer_gpus(gpus: str | None, device: str) -> str:
    """Restrict the runs of this process to these GPUs; returns those the device means, in words, "" for none.

    Raises `UsageError` if they are not numbers or UUIDs, or if the device is a GPU that does not exist; `WganError` if
    torch fails.
    """
    from wgan.errors import UsageError, WganError

    if gpus is not None:
        if not re.fullmatch(r"none|(\d+|GPU-[\w-]+)(,(\d+|GPU-[\w-]+))*", gpus):
            raise UsageError(f"--gpus {gpus!r} is not allowed: give numbers or UUIDs, as in 0,1, or none.")
        os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpus == "none" else gpus
    asked_for = device.startswith("cuda") or gpus not in (None, "none")
    if not asked_for and (gpus == "none" or not NVIDIA_DRIVER.exists()):
        return ""
    # In a separate process: the worker itself needs neither torch nor its memory.
    said = subprocess.run([sys.executable, "-c", SEEN, device], capture_output=True, text=True)
    if said.returncode != 0 and not asked_for:
        reason = (said.stderr.strip() or "no output").splitlines()[-1]
        raise WganError(f"torch cannot say which GPUs there are ({reason}): repair it, or start with --gpus none.")
    if asked_for and (said.returncode != 0 or not said.stdout.strip()):
        wanted = f"WGAN_DEVICE={device}" if device.startswith("cuda") else f"--gpus {gpus}"
        raise UsageError(f"{wanted} is not possible here: torch sees no such GPU. Use another, or --gpus none.")
    return said.stdout.strip()
