"""Runs `wgan` commands in forks of itself, which have the large libraries loaded: `python preloaded.py`.

One JSON request a line on standard input; one answer a line on standard output, when the command has begun (its
process number) and when it has ended (its exit code).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

LIBRARIES = (
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "mlflow.onnx",
    "mlflow.pyfunc",
    "mlflow.system_metrics.system_metrics_monitor",
    "onnxruntime",
    "onnxscript",
    "pandas",
    "scipy.linalg",
    "scipy.stats",
    "sklearn.datasets",
    "torch._dynamo",
    "torch.onnx._internal.exporter._core",
)
"""The libraries whose import takes most of a short retraining; nothing of the project, and not Prefect, which
reads its settings when it is imported."""


def run_module(request: dict[str, Any]) -> None:
    """`python -m wgan` in this process, with the request's arguments, environment, folder and outputs."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    for stream, path in ((1, request["out"]), (2, request["errors"])):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, stream)
        os.close(file)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.argv = ["wgan", *request["arguments"]]
    sys.path[0] = str(Path.cwd())
    try:
        runpy.run_module("wgan", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    else:
        code = 0
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def serve() -> None:
    """Answer requests until the end of input; returns in a fork whose command has ended."""
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    answers = os.dup(1)
    while request := sys.stdin.readline():
        child = os.fork()
        if not child:
            os.close(answers)
            run_module(json.loads(request))
        os.write(answers, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    serve()
