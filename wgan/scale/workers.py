"""Runs a function on several workers at once through Ray Train, joined by a process group of torch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wgan.errors import RankLost, WganError
from wgan.scale.capacity import Need
from wgan.scale.mailbox import SECONDS, Mailbox, repeat, sending

ANSWER_SECONDS = 50.0
"""Longest wait for Ray's answer; a process that has lost its Ray for a minute is ended by Ray."""
T = TypeVar("T")


@dataclass(frozen=True)
class Worker:
    """One of the processes, as the function that it runs sees it."""

    rank: int
    device: str
    """torch's name of the device that it has for itself, such as `cuda:0`, or `cpu`."""
    agree: Callable[[Any], Any]
    """Rank 0's value of less than a kilobyte, on every rank, once all ranks have called it."""
    asked_to_stop: Callable[[], bool]
    """On rank 0: whether the process that started the workers is asked to stop. On the others: no."""


@dataclass(frozen=True)
class Group:
    """The workers of one attempt."""

    size: int
    need: Need
    collective_seconds: float
    """After this time in one collective, a worker counts as lost."""
    folder: Path
    """For Ray Train's own records, on this machine."""


class WorkersLost(WganError):
    """A worker died, hung, or lost its node: the function can be run again."""


def run_on_workers(
    group: Group,
    function: Callable[..., T],
    *arguments: Any,
    asked_to_stop: Callable[[], bool],
    alive: Callable[[], bool],
) -> T:
    """Call `function(worker, *arguments)` on every worker; returns what rank 0 returns.

    The function is one of a module that every node has. What rank 0 reports and logs appears in this process. `alive`
    says whether Ray still runs. Raises the `WganError` of a worker, `WorkersLost` if a worker or Ray was lost, or
    whatever else a worker raised.
    """
    import ray
    from ray.exceptions import RayError
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    mailbox: Any = ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
    resources = {"CPU": group.need.processors, **({"GPU": group.need.gpus} if group.need.gpus else {})}
    # Whoever calls starts again, so Ray Train does not, which by default waits for workers again and again.
    once = FailureConfig(max_failures=0, controller_failure_limit=0, max_preemption_failures=0)
    trainer = TorchTrainer(
        _work,
        train_loop_config={"function": function, "arguments": arguments, "mailbox": mailbox},
        torch_config=TorchConfig(
            backend="nccl" if group.need.gpus else "gloo", timeout_s=max(1, round(group.collective_seconds))
        ),
        scaling_config=ScalingConfig(
            num_workers=group.size, use_gpu=bool(group.need.gpus), resources_per_worker=resources
        ),
        run_config=RunConfig(name=group.folder.name, storage_path=str(group.folder.parent), failure_config=once),
    )
    fitted = _in_a_thread(trainer.fit)
    try:
        while not wait([fitted], timeout=SECONDS).done:
            if not alive():
                raise WorkersLost("Ray's processes on this machine ended.")
            repeat(ray.get(mailbox.take.remote(asked_to_stop()), timeout=ANSWER_SECONDS))
        repeat(ray.get(mailbox.take.remote(False), timeout=ANSWER_SECONDS))
    except RayError as error:
        raise WorkersLost(f"Ray does not answer: {_in_one_line(error)}.") from None
    failure = fitted.exception()
    if failure is None:
        returned: T = fitted.result().return_value
        return returned
    raise _cause(failure) from None


def _work(parts: dict[str, Any]) -> Any:
    """What Ray Train runs in every worker."""
    from ray import train
    from ray.train.collective import broadcast_from_rank_zero
    from ray.train.torch import get_device

    rank = train.get_context().get_world_rank()
    device = str(get_device())
    if rank:
        worker = Worker(rank, device, broadcast_from_rank_zero, lambda: False)
        return parts["function"](worker, *parts["arguments"])
    with sending(parts["mailbox"]) as asked_to_stop:
        worker = Worker(rank, device, broadcast_from_rank_zero, asked_to_stop)
        return parts["function"](worker, *parts["arguments"])


def _in_a_thread(function: Callable[[], Any]) -> Future[Any]:
    """Call it in a thread that does not keep the process alive: this one must be free for signals."""
    outcome: Future[Any] = Future()

    def call() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=call, name="ray-train", daemon=True).start()
    return outcome


def _cause(failure: BaseException) -> BaseException:
    """The one error to raise: a worker's own, before those of the others, which only lost it."""
    from ray.exceptions import RayError
    from ray.train.v2._internal.exceptions import RayTrainError, UserExceptionWithTraceback
    from ray.train.v2.api.exceptions import ControllerError, PreemptionError, WorkerGroupError

    if isinstance(failure, WorkerGroupError):
        raised = [
            error._base_exc if isinstance(error, UserExceptionWithTraceback) else error
            for _, error in sorted(failure.worker_failures.items())
        ]
    elif isinstance(failure, ControllerError):
        raised = [failure.controller_failure]
    else:
        raised = [failure]
    lost = [error for error in raised if isinstance(error, RankLost | PreemptionError | RayError | RayTrainError)]
    own = [error for error in raised if error not in lost]
    if own:
        return next((error for error in own if isinstance(error, WganError)), own[0])
    dead = [error for error in lost if not isinstance(error, RankLost)]
    return WorkersLost(_in_one_line((dead or lost)[0]))


def _in_one_line(error: BaseException) -> str:
    """The first line of what Ray says; the rest is its identifiers and advice."""
    cause = getattr(error, "health_check_failure", error)
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0][:200]
