"""How long interactive commands take: python tests/benchmarks/command_time.py [--rounds 5] [--stack].

Whole processes, from their start to their end, beside a bare interpreter and the imports that the commands avoid. All
alternate, so that other work on the machine affects all of them alike. The benchmark starts its own stack, with a
model of two versions without files; with `--stack` it uses the one that the settings name (WGAN_HOME, …), which is not
changed, so that no rollback is measured.

Seconds are the least and the median of the rounds. The ratios are of medians: to the bare interpreter, and to the
import that the command would begin with.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

# A script has only its own folder on the path, and an installed package may provide another `tests`.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.termination import exit_on_sigterm
from tests.conftest import new_settings
from tests.integration.stack_commands import environment
from wgan.registry.listing import list_models
from wgan.registry.promotion import promote
from wgan.settings import Settings, load_settings
from wgan.stack import start_stack, stop_stack
from wgan.storage import open_storage

MODEL = "generator-timed"
NOTHING, MLFLOW, PREFECT = 'python -c ""', 'python -c "import mlflow"', 'python -c "import prefect"'


@dataclass
class Timed:
    """A process, and how long it took in each round."""

    name: str
    commands: list[list[str]]
    """Several commands alternate: a rollback goes back and forth."""
    avoided: str | None = None
    """The import that the command avoids."""
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def main() -> None:
    exit_on_sigterm()
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--stack", action="store_true", help="measure against the stack that the settings name")
    given = options.parse_args()
    with named_stack() if given.stack else own_stack() as (model, variables):
        processes = [*bare(), *commands(model)]
        if not given.stack:
            processes.append(
                Timed("wgan rollback", [wgan("rollback", model, "--to", to) for to in ("1", "2")], MLFLOW),
            )
        uncounted = 1 if given.rounds > 1 else 0  # a first round, in which files are read from the disk
        for number in range(uncounted + given.rounds):
            for process in processes:
                took = seconds(process.commands[number % len(process.commands)], variables)
                if number >= uncounted:
                    process.seconds.append(took)
    show(processes)


def bare() -> list[Timed]:
    python = [sys.executable, "-c"]
    return [
        Timed(NOTHING, [[*python, ""]]),
        Timed(MLFLOW, [[*python, "import mlflow"]]),
        Timed(PREFECT, [[*python, "import prefect"]]),
    ]


def commands(model: str) -> list[Timed]:
    return [
        Timed("wgan --version", [wgan("--version")]),
        Timed("wgan models", [wgan("models")], MLFLOW),
        Timed("wgan models NAME", [wgan("models", model)], MLFLOW),
        Timed("wgan runs", [wgan("runs")], PREFECT),
        Timed("wgan schedule list", [wgan("schedule", "list")], PREFECT),
    ]


def wgan(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wgan", *arguments]


def seconds(command: list[str], variables: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


@contextmanager
def named_stack() -> Iterator[tuple[str, dict[str, str]]]:
    """A model's name and the environment that the commands run in."""
    models = list_models(load_settings())
    if not models:
        raise SystemExit("no model is registered there: `wgan retrain` creates one.")
    yield models[0].name, dict(os.environ)


@contextmanager
def own_stack() -> Iterator[tuple[str, dict[str, str]]]:
    """The same for a stack that is stopped after the block; version 2 of the model is champion after version 1."""
    with tempfile.TemporaryDirectory() as folder:
        running = start_stack(new_settings(Path(folder)))
        try:
            settings = running.settings
            register(settings)
            variables = environment(settings, PYTHONPATH=str(Path(__file__).resolve().parents[2]))
            yield MODEL, variables
        finally:
            stop_stack(running)


def register(settings: Settings) -> None:
    storage = open_storage(settings)
    storage.ensure_bucket()
    client = MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)
    logged = client.create_logged_model(client.create_experiment(MODEL)).model_id
    client.create_registered_model(MODEL)
    for _ in range(2):
        client.create_model_version(MODEL, f"models:/{logged}", model_id=logged)
    for version, champion in ((1, None), (2, 1)):
        promote((MODEL, version), None, settings, storage, force=True, reason="to be timed", expected_champion=champion)


def show(processes: list[Timed]) -> None:
    medians = {process.name: process.median for process in processes}
    print("| process | least, s | median, s | bare interpreters | of the import that it avoids |")
    print("|---|---|---|---|---|")
    for process in processes:
        share = (
            "" if process.avoided is None else f"{process.median / medians[process.avoided]:.2f} of {process.avoided}"
        )
        print(
            f"| {process.name} | {min(process.seconds):.2f} | {process.median:.2f} | "
            f"{process.median / medians[NOTHING]:.1f} | {share} |"
        )


if __name__ == "__main__":
    main()
