"""Versions that passed the gate, the runs that take them further, and clients of the process that serves them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.integration.serving_process import Serving
from tests.integration.stack_commands import wait_for
from tests.integration.worker_process import PATIENCE, ask, flow_run
from tests.unit.registry.examples import LATENT_DIM, example_decision, example_generator
from wgan.file_digest import file_sha256
from wgan.model_version.way import approve_by
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.release_runs import start_release
from wgan.records import LedgerEntry, ModelVersionRef, ReleasePlan
from wgan.registry import ledger
from wgan.registry.aliases import model_aliases
from wgan.registry.model_folder import ExportedGenerator
from wgan.registry.promotion import promote
from wgan.settings import Settings
from wgan.steps.export import write_export
from wgan.storage import Storage
from wgan.training.networks import Generator

FAILS_ABOVE = 5.0
"""A latent that no drawn noise of a test reaches."""


def released(
    version: ModelVersionRef | tuple[str, int], plan: ReleasePlan, pool: str, settings: Settings, storage: Storage
) -> str:
    """The flow run that takes the version further, as after the gate of a retraining."""
    model = version[0] if isinstance(version, tuple) else version.model_name
    champion = model_aliases(model, settings).get("champion")
    entry = promote(version, example_decision(True), settings, storage, expected_champion=champion, plan=plan)
    with PrefectServer(settings) as server:
        return start_release(server, entry, approve_by(entry), pool)


def wait_for_suspension(settings: Settings, flow_run_id: str) -> None:
    wait_for(lambda: flow_run(settings, flow_run_id)["state_name"] == "Suspended", PATIENCE)


def answered_on_the_page(settings: Settings, flow_run_id: str, **answer: str) -> Any:
    """As the form of Prefect's page sends it."""
    return ask(settings, f"flow_runs/{flow_run_id}/resume", run_input=answer)


def story(model: str, settings: Settings, storage: Storage) -> list[LedgerEntry]:
    return ledger.read(model, storage, settings)


def steps(model: str, settings: Settings, storage: Storage) -> list[tuple[str, int]]:
    """The ledger's story in short: action and version of each entry."""
    return [(entry.action, entry.to_version) for entry in story(model, settings, storage)]


def canary_percent(process: Serving, model: str) -> float:
    """The share of the challenger that the process says it draws."""
    return float(process.client.get(f"/v1/models/{model}").json()["canary_percent"])


def draws(process: Serving, model: str, **headers: str) -> str:
    """The version that draws a request."""
    answer = process.client.post(f"/v1/models/{model}/images", json={"count": 1}, headers=headers)
    answer.raise_for_status()
    return str(answer.headers["X-WGAN-Version"])


@contextmanager
def asking(process: Serving, model: str) -> Iterator[None]:
    """A client that asks for one image after the other."""
    over = threading.Event()

    def ask_on() -> None:
        while not over.wait(0.02):
            draws(process, model)

    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def slow_export(folder: Path) -> ExportedGenerator:
    """A generator that takes many times as long to draw."""
    return write_export(Generator(1, 32, 128, LATENT_DIM).eval(), folder)


def failing_export(folder: Path, seed: int) -> ExportedGenerator:
    """A generator that draws, is verified, and fails for a latent above `FAILS_ABOVE`."""
    import onnx
    from onnx import helper, numpy_helper

    exported = write_export(example_generator(seed), folder)
    model = onnx.load(exported.onnx)
    drawn = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["drawn" if name == drawn else name for name in node.output]
        node.input[:] = ["drawn" if name == drawn else name for name in node.input]
    constants = {"limit": np.float32(FAILS_ABOVE), "nothing": np.zeros(1, np.float32)}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", [model.graph.input[0].name], ["largest"], keepdims=0),
            helper.make_node("Greater", ["largest", "limit"], ["too_large"]),
            helper.make_node("Cast", ["too_large"], ["place"], to=onnx.TensorProto.INT64),
            helper.make_node("Gather", ["nothing", "place"], ["added"]),  # there is no place 1
            helper.make_node("Add", ["drawn", "added"], [drawn]),
        ]
    )
    onnx.save(model, exported.onnx)
    return replace(exported, onnx_sha256=file_sha256(exported.onnx))


def draw_what_fails(process: Serving, model: str) -> httpx.Response:
    """Ask a failing version for what it cannot draw."""
    latents = [[2 * FAILS_ABOVE] * LATENT_DIM]
    return process.client.post(f"/v1/models/{model}/decode", json={"latents": latents})
