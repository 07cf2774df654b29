"""The embedded stack: three real servers (S3, MLflow, Prefect) as child processes, on loopback, in one folder."""

from wgan.stack.environment import client_environment
from wgan.stack.lifecycle import RunningStack, StackInterrupted, StackIsUp, start_stack, stop_stack, supervise

__all__ = [
    "RunningStack",
    "StackInterrupted",
    "StackIsUp",
    "client_environment",
    "start_stack",
    "stop_stack",
    "supervise",
]
