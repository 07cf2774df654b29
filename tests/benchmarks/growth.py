"""Whether commands take longer after a long history: python tests/benchmarks/growth.py [--small 10] [--large 1000].

A stack of its own gets a model with `--small` versions, as many ledger entries, training runs, flow runs and
checkpoints, and an S3 prefix with ten times as many objects. Everything is measured; then the same stack grows to
`--large`, and everything is measured again. The histories are rows copied straight into the servers' databases
(`histories.py`), so that 10,000 versions take a minute to make.

Commands are whole processes, from their start to their end. What has no command, or one that trains or draws, is timed
by itself, inside this process: how the registry's part of a promotion, the identification of `--if-changed`, a serving
process's look at the registry and its answers change. Seconds are the median of the rounds; with `--rounds 1`, of the
first, in which files are read from the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from mlflow import MlflowClient

# Of a script only its own folder is on the path, and a package that is installed may bring a `tests`, too.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.histories import add_flow_runs, add_versions, ledger_entries, photographs, put_objects
from tests.benchmarks.termination import exit_on_sigterm
from tests.conftest import new_settings
from tests.integration.stack_commands import environment
from tests.unit.registry.examples import example_decision
from wgan.backup import save
from wgan.data.sources.s3 import s3_source
from wgan.download.access import Access, RetryPolicy
from wgan.records import GateDecision, LedgerEntry
from wgan.registry.aliases import champion_version
from wgan.registry.ledger import read
from wgan.registry.newest_data import version_of_data
from wgan.registry.promotion import promote, rollback
from wgan.serving.registry import RegistryClient
from wgan.settings import Settings
from wgan.stack import start_stack, stop_stack
from wgan.storage import open_storage
from wgan.tracking.client import tracking_client

ROOT = Path(__file__).resolve().parents[2]
MODEL = "generator-growing"
PHOTOGRAPHS = "photographs"
Seconds = dict[str, float]


def main() -> None:
    exit_on_sigterm()
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--small", type=int, default=10, help="at least 6")
    options.add_argument("--large", type=int, default=1000, help="at least 6 more")
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    with own_stack() as settings:
        pattern = begin(settings)
        grow(settings, pattern, range(2, given.small + 1))
        first = measure(settings, given.rounds)
        grow(settings, pattern, range(given.small + 1, given.large + 1))
        second = measure(settings, given.rounds)
    show(given.small, given.large, first, second)


@contextmanager
def own_stack() -> Iterator[Settings]:
    """A stack that ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        running = start_stack(new_settings(Path(folder)).model_copy(update={"serve": False}))
        try:
            yield running.settings
        finally:
            stop_stack(running)


def begin(settings: Settings) -> LedgerEntry:
    """Version 1, promoted, with a run that has what a training's has; a schedule, and a flow run that has ended."""
    storage = open_storage(settings)
    storage.ensure_bucket()
    client: MlflowClient = tracking_client(settings)
    experiment = client.create_experiment(MODEL)
    tags = {"wgan.data_digest": "0" * 64, "wgan.flow_run_id": str(uuid.uuid4())}
    run_id = client.create_run(experiment, start_time=1_700_000_000_000, tags=tags).info.run_id
    for number in range(40):
        client.log_metric(run_id, f"evaluation_{number}", number)
    client.set_terminated(run_id, end_time=1_700_000_100_000)
    logged = client.create_logged_model(experiment).model_id
    client.create_registered_model(MODEL)
    version_tags = {"data_digest": "0" * 64, "flow_run_id": tags["wgan.flow_run_id"], "checkpoint_uri": "s3://a/b"}
    client.create_model_version(MODEL, f"models:/{logged}", run_id=run_id, model_id=logged, tags=version_tags)
    run("schedule add --preset digits --cron '0 3 * * 1'", settings)
    run("housekeeping --dry-run", settings)
    return promote((MODEL, 1), decision(), settings, storage, expected_champion=None)


def decision() -> GateDecision:
    """A decision as large as real ones, whose numbers take some ten kilobytes."""
    return example_decision(True).model_copy(update={"remarks": 300 * ("as long as the numbers of a measurement",)})


def grow(settings: Settings, pattern: LedgerEntry, versions: range) -> None:
    """Add these versions, each with its ledger entry, runs and checkpoints, and ten photographs for each."""
    storage = open_storage(settings)
    [last] = read(MODEL, storage, settings)[-1:]
    entries = ledger_entries(pattern, versions, last)
    add_versions(settings.home, settings, storage, entries)
    add_flow_runs(settings.home, [entry.flow_run_id or "" for entry in entries])
    put_objects(storage, photographs(PHOTOGRAPHS, range(10 * versions.start, 10 * versions.stop)))


def run(line: str, settings: Settings) -> None:
    """Run `wgan` with these arguments to its end."""
    command = [sys.executable, "-m", "wgan", *shlex.split(line)]
    subprocess.run(command, env=variables_of(settings), check=True, stdout=subprocess.DEVNULL)


def variables_of(settings: Settings) -> dict[str, str]:
    """The environment that commands run in."""
    return environment(settings, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1", WGAN_SERVE="false")


def measure(settings: Settings, rounds: int) -> Seconds:
    """Seconds of everything, the median of the rounds."""
    found: dict[str, list[float]] = {}
    with serving(settings) as address:
        works = {**commands(settings), **inside(settings, address)}
        for number in range(-1 if rounds > 1 else 0, rounds):  # the first is not counted: files are read from the disk
            for name, work in works.items():
                began = time.perf_counter()
                work()
                if number >= 0:
                    found.setdefault(name, []).append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def commands(settings: Settings) -> dict[str, Callable[[], None]]:
    """Whole processes."""
    lines = (
        "models",
        f"models {MODEL}",
        f"models {MODEL} --history",
        "runs",
        "schedule list",
        "housekeeping --dry-run",
    )
    return {f"`wgan {line.replace(MODEL, 'MODEL')}`": partial(run, line, settings) for line in lines}


def inside(settings: Settings, address: str) -> dict[str, Callable[[], object]]:
    """What is timed by itself."""
    storage = open_storage(settings)
    access = Access(settings, storage, RetryPolicy(), lambda phase, done, total: None)

    backups = [settings.home / "backups" / uuid.uuid4().hex]
    save(backups[0], settings)

    def back_up() -> None:
        backups.append(settings.home / "backups" / uuid.uuid4().hex)
        save(backups[-1], settings, base=backups[-2])

    def move_there_and_back() -> None:
        """A promotion of version 1, and its rollback: the aliases are then as before."""
        champion = champion_version(MODEL, settings)
        promote((MODEL, 1), decision(), settings, storage, expected_champion=champion)
        rollback(MODEL, None, settings, storage, reason="timed")

    def look_for_new_data() -> None:
        source = s3_source(f"s3://{settings.bucket}/{PHOTOGRAPHS}", None, access)
        version_of_data(MODEL, source.digest, settings)

    return {
        "`wgan backup --base`, of what has not changed": back_up,
        "a promotion and its rollback, in the registry": move_there_and_back,
        "`--if-changed` on a prefix of ten times as many objects": look_for_new_data,
        "a serving process's look at the registry": lambda: asyncio.run(poll(settings)),
        "`/v1/models` and the playground's page": lambda: ask(address),
    }


async def poll(settings: Settings) -> None:
    registry = RegistryClient(settings)
    await registry.models_with("champion")
    await registry.find(MODEL, "champion")
    await registry.close()


def ask(address: str) -> None:
    with httpx.Client(base_url=address) as client:
        for route in ("/v1/models", "/"):
            client.get(route).raise_for_status()


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The address of a serving process; its model has no files, which its pages do not need."""
    command = [sys.executable, "-m", "wgan", "serve", MODEL, "--port", "0"]
    process = subprocess.Popen(
        command, env=variables_of(settings), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        yield address
    finally:
        process.terminate()
        process.wait(60)


def show(small: int, large: int, first: Seconds, second: Seconds) -> None:
    print(f"| | {small:,}, s | {large:,}, s | ratio |")
    print("|---|---|---|---|")
    for name, seconds in first.items():
        print(f"| {name} | {seconds:.2f} | {second[name]:.2f} | {second[name] / seconds:.2f} |")


if __name__ == "__main__":
    main()
