"""How a run ended, as a state name and a sentence, which the server's page shows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import ParamSpec, TypeVar, cast

import httpx
from prefect import runtime
from prefect.exceptions import CancelledRun, PrefectException
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed

from tasks.connections import connect
from tasks.restarts import end_tasks_early
from tasks.run_names import name_flow_run
from wgan.errors import DataMissing, DataRefused, Interrupted, Overtaken, UsageError, WganError
from wgan.model_version.way import approve_by
from wgan.prefect_server.names import NOT_DONE, REFUSED, SKIPPED, STOPPED
from wgan.records import LedgerEntry, RetrainOutcome, RetrainSkipped
from wgan.registry.ledger_replay import ON_THE_WAY
from wgan.settings import Settings
from wgan.tracking.run_status import end_unfinished_run, has_run

Outcome = TypeVar("Outcome", RetrainOutcome, RetrainSkipped, LedgerEntry)
Result = TypeVar("Result")
P = ParamSpec("P")
R = TypeVar("R")

_early: dict[str, BaseException] = {}
"""Why runs of this process ended early, by flow run: Prefect keeps only the sentence."""


def named_endings(
    *, resumed_by: str = "", kept_in: Callable[[Settings], Settings] = lambda settings: settings
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a flow's function: if nothing has failed, it ends in a named state, not as a failure with a traceback.

    Ctrl-C gives `STOPPED`, an impossible request `NOT_DONE` unless training has started. The flow's caller gets
    `CancelledRun`, whose error `cause_of` returns. `resumed_by` is the command that resumes a stopped run, without the
    run's id; `kept_in` returns the settings with the MLflow experiment of the flow's runs.
    """

    def name_endings(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*arguments: P.args, **named: P.kwargs) -> R:
            try:
                return function(*arguments, **named)
            except (Interrupted, KeyboardInterrupt) as error:
                cause = error if str(error) or not resumed_by else _interrupted(resumed_by)
                said = f"Stopped by the user: {cause}" if str(cause) else "Stopped by the user."
                return cast(R, _ended_early(STOPPED, said, cause, kept_in))
            except (UsageError, DataMissing, DataRefused, Overtaken) as error:
                if _has_begun(kept_in):
                    raise
                return cast(R, _ended_early(NOT_DONE, f"Not done: {error}", error, kept_in))

        # Prefect builds the flow's form from these, and would resolve their names in this module.
        signature = inspect.signature(function, eval_str=True)
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        return run

    return name_endings


def with_cause(start: Callable[[], R]) -> R:
    """Call `start`, which runs a flow; if the run ended early, raise the error that caused it."""
    try:
        return start()
    except CancelledRun as error:
        raise cause_of(error) from None


def cause_of(error: CancelledRun, flow_run_id: str | None = None) -> BaseException:
    """The error that ended a run of this process early; Prefect's own if somebody cancelled it."""
    return _early.get(flow_run_id or next(reversed(_early), ""), error)


def _interrupted(resumed_by: str) -> Interrupted:
    return Interrupted(f"the run was stopped; `{resumed_by} {runtime.flow_run.id}` resumes it.")


def _has_begun(kept_in: Callable[[Settings], Settings]) -> bool:
    settings, _ = connect()
    try:
        return has_run(kept_in(settings), str(runtime.flow_run.id))
    except WganError:  # a server that is down is also a failure
        return True


def _ended_early(name: str, message: str, error: BaseException, kept_in: Callable[[Settings], Settings]) -> object:
    flow_run_id = str(runtime.flow_run.id)
    _early[flow_run_id] = error
    settings, _ = connect()
    with suppress(WganError):  # it would hide the cause
        end_unfinished_run(kept_in(settings), flow_run_id, "KILLED")
    with suppress(httpx.HTTPError, PrefectException):  # so would a missing server
        end_tasks_early(name, message)
    get_run_logger().info(message)
    return Cancelled(name=name, message=message)


def completed(message: str, outcome: Result, named: str = "") -> Result:
    """The state of a successful run; if a flow returns it, Prefect gives the caller the outcome.

    The message is also the last line of the run's log. `named` is added to the run's name.
    """
    get_run_logger().info(message)
    if named:
        name_flow_run(named)
    return cast(Result, Completed(message=message, data=outcome))


def ended(outcome: Outcome) -> Outcome:
    """The state of a run whose result is `outcome`; if a flow returns it, Prefect gives the caller the outcome.

    The state's message is also the last line of the run's log, and the run's name gets the outcome in a few words.
    """
    name, message = _words(outcome)
    get_run_logger().info(message)
    name_flow_run(_in_short(outcome))
    return cast(Outcome, Completed(name=name, message=message, data=outcome))


def _in_short(outcome: RetrainOutcome | RetrainSkipped | LedgerEntry) -> str:
    if isinstance(outcome, RetrainSkipped):
        return outcome.in_short
    if isinstance(outcome, RetrainOutcome):
        return _in_short(outcome.promotion) if outcome.promotion else f"version {outcome.version.version} registered"
    if outcome.action == "rolled-back":
        return f"version {outcome.from_version} taken back"
    return f"version {outcome.to_version} {outcome.action}"


def _words(outcome: RetrainOutcome | RetrainSkipped | LedgerEntry) -> tuple[str, str]:
    if isinstance(outcome, RetrainSkipped):
        return SKIPPED, f"Skipped: {outcome.reason}"
    if isinstance(outcome, RetrainOutcome):
        if outcome.promotion is None:
            made = outcome.version
            return "Completed", f"Registered: {made.model_name} version {made.version}; promotion was not asked for."
        return _words(outcome.promotion)
    version = f"{outcome.model_name} version {outcome.to_version}"
    if outcome.action in ON_THE_WAY:
        waits = "approval" if approve_by(outcome) else "a worker"
        return "Completed", f"Passed the gate: {version}, which now waits for {waits}. {outcome.reason}"
    if outcome.action == "kept":
        return "Completed", f"Promoted: {version}, which stays the champion. {outcome.reason}"
    if outcome.action == "withdrawn":
        return REFUSED, f"Withdrawn: {version}. {outcome.reason}"
    if outcome.action == "refused":
        return REFUSED, f"Refused: {version}. {outcome.reason}"
    if outcome.action == "rolled-back":
        return REFUSED, f"Taken back: {version} is the champion again. {outcome.reason}"
    return "Completed", f"Promoted: {version}. {outcome.reason}"
