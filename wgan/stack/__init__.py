"""The embedded stack: real servers (S3, MLflow, Prefect, serving) as child processes, on loopback, in one folder."""

from wgan.stack.control import run_detached, run_here, take_down
from wgan.stack.environment import client_environment
from wgan.stack.lifecycle import RunningStack, StackInterrupted, StackIsUp, start_stack, stop_stack
from wgan.stack.status import ServiceStatus, StackStatus, overruling, stack_status
from wgan.stack.supervision import supervise

__all__ = [
    "RunningStack",
    "ServiceStatus",
    "StackInterrupted",
    "StackIsUp",
    "StackStatus",
    "client_environment",
    "overruling",
    "run_detached",
    "run_here",
    "stack_status",
    "start_stack",
    "stop_stack",
    "supervise",
    "take_down",
]
