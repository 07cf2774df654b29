"""Versions that passed the gate, the runs that take them further, and a version that fails where a test wants it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np

from tests.integration.serving_process import Serving
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


def story(model: str, settings: Settings, storage: Storage) -> list[LedgerEntry]:
    return ledger.read(model, storage, settings)


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
