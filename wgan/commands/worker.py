"""`wgan worker`: run what is due."""

from __future__ import annotations

import os
import socket
from typing import Annotated

import typer


def worker(
    pool: Annotated[str | None, typer.Option(help="Work pool; default: WGAN_WORK_POOL.", show_default=False)] = None,
    name: Annotated[
        str | None, typer.Option(help="Name in the Prefect UI; default: host and process.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(help="Runs at the same time.", min=1)] = 2,
) -> None:
    """Run due retrainings and housekeeping, each in a process of its own; Ctrl-C or SIGTERM stops it.

    Start as many workers as you like, on any machine that reaches the servers. A run that a stopping worker leaves
    saves a checkpoint and goes on at another worker.
    """
    from wgan.commands.extras import require_extra
    from wgan.commands.flow_session import enter_environment, require_servers
    from wgan.commands.output import print_line
    from wgan.settings import load_settings

    require_extra("train")  # else each retraining it takes would crash, and be started again, and crash
    settings = load_settings(**({"work_pool": pool} if pool else {}))
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")  # nobody watches: the log is all there is
    enter_environment(settings)
    os.environ["WGAN_HOME"] = str(settings.home.resolve())  # runs have a working directory of their own
    require_servers(settings)
    from flows.running import prepare_server
    from flows.worker import run_worker
    from wgan.prefect_server.automations import put_automations
    from wgan.prefect_server.client import PrefectServer
    from wgan.prefect_server.work_pool import ensure_work_pool

    prepare_server(settings)
    with PrefectServer(settings) as server:
        put_automations(server, settings)
        if pool is None:  # a name that was typed may be mistyped
            ensure_work_pool(server, settings.work_pool)
    run_worker(settings, name or f"{socket.gethostname()}-{os.getpid()}", limit, print_line)
