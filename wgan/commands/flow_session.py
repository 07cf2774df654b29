"""Run a Prefect flow in this process, against the configured servers, with a live display."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Column

from wgan.commands.extras import Extra, missing_mark, require_extra
from wgan.commands.output import error_console
from wgan.config import RetrainConfig
from wgan.errors import UsageError, WganError
from wgan.progress import Pace, Progress, listening, sentence
from wgan.settings import Settings
from wgan.stack import client_environment

SECONDS_BETWEEN_LINES = 10.0
"""Seconds between progress lines when there is no terminal."""

NARROW = 110
"""Terminal width in columns below which a progress bar is shortened."""

RESULT_BLOCK = "wgan-bucket/results"
"""The Prefect block that `tasks.results` writes; named here because Prefect reads it on import."""

Result = TypeVar("Result")


def enter_environment(settings: Settings, extra: Extra = "pipeline") -> None:
    """Point Prefect, MLflow and boto3 in this process at the configured servers. Call it before they are imported.

    Raises `WganError` if the extra that the command needs is not installed.
    """
    require_extra(extra)
    os.environ.update(client_environment(settings))
    # The terminal belongs to the display; Prefect's own log lines go to its server and UI.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # bars for single small files
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "wgan")
    os.environ.setdefault("PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK", RESULT_BLOCK)


def require_servers(settings: Settings) -> None:
    """Raise an error of one sentence unless all three servers answer."""
    from wgan.prefect_server.client import PrefectServer
    from wgan.storage import open_storage

    with PrefectServer(settings, answer_seconds=10.0) as server:
        server.require()
    _require_mlflow(settings)

    open_storage(settings).ensure_bucket()


@dataclass(frozen=True)
class ChampionAhead:
    """The champion that a run will be compared with, as far as known."""

    version: int | None = None
    """None if there is none or it is unknown."""
    known: bool = True
    remark: str = ""
    """Why it is unknown."""


def check_champion(config: RetrainConfig, settings: Settings) -> ChampionAhead:
    """The champion that a run of the configuration will be compared with.

    Raises `UsageError` if the two cannot be compared, since a run would then be refused. With only the base installed,
    no server can be asked, and no reason is given.
    """
    if missing_mark("pipeline"):
        return ChampionAhead(known=False)
    try:
        enter_environment(settings)
        _require_mlflow(settings)
        from wgan.registry.preconditions import require_comparable

        return ChampionAhead(require_comparable(config, settings))
    except UsageError:
        raise
    except WganError as error:
        remark = f"Whether a run can be compared with the champion of {config.model_name} is not known: {error}"
        return ChampionAhead(known=False, remark=remark)


def _require_mlflow(settings: Settings) -> None:
    import httpx

    url = f"{settings.mlflow_tracking_uri.rstrip('/')}/health"
    try:
        httpx.get(url, timeout=10.0).raise_for_status()
    except httpx.HTTPError as error:
        raise WganError(
            f"the MLflow server does not answer at {url} ({error}): start the embedded stack with "
            "`wgan up --detach`, or set WGAN_MLFLOW_TRACKING_URI."
        ) from None


def run_flow_here(start: Callable[[], Result], settings: Settings) -> Result:
    """Run `start`, which calls a flow, with its progress shown on standard error; its exceptions propagate."""
    from flows.endings import with_cause
    from flows.running import prepare_server

    prepare_server(settings)
    with display(error_console):
        return with_cause(start)


@contextmanager
def display(console: Console) -> Iterator[None]:
    """Show all progress of the block: live bars on a terminal, occasional lines elsewhere."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with _bars(console) if console.is_terminal else _lines(console) as listener, listening(listener):
        yield


@contextmanager
def _bars(console: Console) -> Iterator[Callable[[Progress], None]]:
    narrow = console.width < NARROW
    # On a narrow terminal only the stage and the note are shortened, in favour of step and remaining time.
    columns = (
        TextColumn("{task.description}", table_column=_kept(max_width=22 if narrow else 38)),
        BarColumn(bar_width=8 if narrow else 24, table_column=_kept()),
        MofNCompleteColumn(table_column=_kept()),
        *([] if narrow else [TimeElapsedColumn(table_column=_kept())]),
        TimeRemainingColumn(compact=narrow, table_column=_kept()),
        TextColumn("{task.fields[note]}", table_column=Column(overflow="ellipsis")),
    )
    with Bars(*columns, console=console, refresh_per_second=5) as bars:
        known: dict[str, TaskID] = {}

        def show(position: Progress) -> None:
            if position.total == 0:
                console.print(f"{position.stage}: {position.note}", highlight=False, markup=False)
                return
            if position.stage not in known:
                known[position.stage] = bars.add_task(position.stage, total=position.total, note="")
            bars.update(known[position.stage], completed=position.done, total=position.total, note=position.note)

        yield show


def _kept(max_width: int | None = None) -> Column:
    return Column(no_wrap=True, overflow="ellipsis", max_width=max_width)


@contextmanager
def _lines(console: Console) -> Iterator[Callable[[Progress], None]]:
    last: dict[str, float] = {}
    paces: dict[str, Pace] = {}

    def show(position: Progress) -> None:
        if position.total == 0:
            console.print(f"{position.stage}: {position.note}", highlight=False, markup=False)
            return
        now = time.monotonic()
        pace = paces.setdefault(position.stage, Pace())
        pace.hear(position.done, now)
        complete = position.total is not None and position.done >= position.total
        if complete or now - last.get(position.stage, 0.0) >= SECONDS_BETWEEN_LINES:
            if complete and last.get(position.stage) == float("inf"):
                return
            last[position.stage] = float("inf") if complete else now
            console.print(
                sentence(position, pace.seconds_left(position.total)), highlight=False, markup=False, soft_wrap=True
            )

    yield show
