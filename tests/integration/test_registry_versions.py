"""Registration with a real MLflow server and object store: complete, once, verifiable, and served by MLflow itself."""

from __future__ import annotations

import json
import os
import pickletools
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pytest
import torch
import yaml
from mlflow import MlflowClient

from tests.unit.registry.examples import LATENT_DIM, example_config, example_evaluation, example_generator
from wgan.config import RetrainConfig
from wgan.config_reading import parse_config
from wgan.errors import UsageError, WganError
from wgan.file_digest import file_sha256
from wgan.latents import draw_latents
from wgan.model_version.inference import open_generator
from wgan.records import EvaluationRef, ModelVersionRef
from wgan.registry.listing import list_models, list_versions
from wgan.registry.model_folder import ExportedGenerator
from wgan.registry.registration import register_generator
from wgan.registry.versions import (
    champion_version,
    fetch_version,
    load_configuration,
    load_version,
)
from wgan.settings import Settings
from wgan.steps.export import load_exported_generator, write_export
from wgan.storage import open_storage


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ExportedGenerator:
    return write_export(example_generator(), tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def client(stack: Settings) -> MlflowClient:
    open_storage(stack).ensure_bucket()
    return MlflowClient(stack.mlflow_tracking_uri, stack.mlflow_tracking_uri)


@pytest.fixture
def config() -> RetrainConfig:
    return example_config(f"examples-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def evaluation(config: RetrainConfig, client: MlflowClient) -> EvaluationRef:
    return example_evaluation(config, new_run(client))


@pytest.fixture(scope="module")
def registered(
    stack: Settings, client: MlflowClient, exported: ExportedGenerator
) -> tuple[RetrainConfig, ModelVersionRef]:
    """One version that tests only read."""
    config = example_config(f"examples-{uuid.uuid4().hex[:8]}")
    evaluation = example_evaluation(config, new_run(client))
    return config, register_generator(evaluation, exported, config, stack)


def new_run(client: MlflowClient) -> str:
    found = client.get_experiment_by_name("registry tests")
    experiment = found.experiment_id if found else client.create_experiment("registry tests")
    return str(client.create_run(experiment).info.run_id)


def model_files(client: MlflowClient, version: ModelVersionRef, folder: Path, settings: Settings) -> Path:
    where = client.get_model_version_download_uri(version.model_name, str(version.version))
    return Path(
        mlflow.artifacts.download_artifacts(where, dst_path=str(folder), tracking_uri=settings.mlflow_tracking_uri)
    )


def test_the_record_read_back_is_the_registered_one(
    stack: Settings, registered: tuple[RetrainConfig, ModelVersionRef], exported: ExportedGenerator
) -> None:
    config, version = registered
    assert (version.model_name, version.version) == (config.model_name, 1)
    assert version.uri == f"models:/{config.model_name}/1"
    assert version.onnx_sha256 == exported.onnx_sha256
    assert version.export_check == exported.check
    assert version.evaluation == example_evaluation(config, version.evaluation.training.mlflow_run_id)
    assert load_version(config.model_name, 1, stack) == version


def test_the_version_belongs_to_the_trainings_run_and_has_tags_and_a_card(
    client: MlflowClient, registered: tuple[RetrainConfig, ModelVersionRef]
) -> None:
    config, version = registered
    found = client.get_model_version(config.model_name, "1")
    assert found.run_id == version.evaluation.training.mlflow_run_id
    assert found.tags["data_digest"] == "d" * 64
    assert json.loads(found.tags["metrics"])["fid"] == [46.25, 44.0, 48.5]
    assert found.description.startswith(f"# {config.model_name}")
    assert f'load_model("models:/{config.model_name}/1")' in found.description
    assert "`champion` is served" in client.get_registered_model(config.model_name).description
    outputs = client.get_run(found.run_id).outputs.model_outputs
    assert [(output.model_id, output.step) for output in outputs] == [(found.source.removeprefix("models:/"), 850)]


def test_registering_again_returns_the_existing_version(
    stack: Settings, config: RetrainConfig, evaluation: EvaluationRef, exported: ExportedGenerator
) -> None:
    first = register_generator(evaluation, exported, config, stack)
    assert register_generator(evaluation, exported, config, stack) == first
    assert [entry.version for entry in list_versions(config.model_name, 20, stack).versions] == [1]


def test_another_checkpoint_of_the_run_is_another_version(
    stack: Settings, config: RetrainConfig, evaluation: EvaluationRef, exported: ExportedGenerator
) -> None:
    register_generator(evaluation, exported, config, stack)
    later = example_evaluation(config, evaluation.training.mlflow_run_id, checkpoint_sha256="9" * 64)
    assert register_generator(later, exported, config, stack).version == 2


def test_a_registration_that_died_after_the_upload_uploads_nothing_again(
    stack: Settings,
    client: MlflowClient,
    config: RetrainConfig,
    evaluation: EvaluationRef,
    exported: ExportedGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Died(BaseException):
        pass

    def die(*arguments: object, **options: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_model_version", die)
        with pytest.raises(Died):
            register_generator(evaluation, exported, config, stack)
    version = register_generator(evaluation, exported, config, stack)
    outputs = client.get_run(evaluation.training.mlflow_run_id).outputs.model_outputs
    assert len(outputs) == 1
    assert client.get_model_version(version.model_name, "1").source == f"models:/{outputs[0].model_id}"


def test_a_registration_that_died_during_the_upload_starts_over(
    stack: Settings,
    client: MlflowClient,
    config: RetrainConfig,
    evaluation: EvaluationRef,
    exported: ExportedGenerator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    class Died(BaseException):
        pass

    def die(*arguments: object, **options: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_model_artifacts", die)
        with pytest.raises(Died):
            register_generator(evaluation, exported, config, stack)
    version = register_generator(evaluation, exported, config, stack)
    assert fetch_version(version.model_name, version.version, stack, tmp_path).is_file()
    run = client.get_run(evaluation.training.mlflow_run_id)
    logged = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    assert [model.status.value for model in logged] == ["READY"]


def test_nothing_in_the_model_folder_is_a_pickle(
    stack: Settings, client: MlflowClient, registered: tuple[RetrainConfig, ModelVersionRef], tmp_path: Path
) -> None:
    files = [file for file in model_files(client, registered[1], tmp_path, stack).rglob("*") if file.is_file()]
    assert {"MLmodel", "model.onnx", "generator.safetensors", "config.json", "retrain.yaml", "sample.npy"} <= {
        file.name for file in files
    }
    for file in files:
        assert file.suffix not in (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib"), file.name
        assert not is_pickle(file.read_bytes()), file.name
        if file.suffix == ".npy":
            np.load(file, allow_pickle=False)


def is_pickle(content: bytes) -> bool:
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(content))
    except (ValueError, UnicodeDecodeError):
        return False


def test_the_model_declares_signature_example_cpu_provider_and_pinned_requirements(
    stack: Settings, client: MlflowClient, registered: tuple[RetrainConfig, ModelVersionRef], tmp_path: Path
) -> None:
    folder = model_files(client, registered[1], tmp_path, stack)
    declared = yaml.safe_load((folder / "MLmodel").read_text())
    assert declared["flavors"]["onnx"]["providers"] == ["CPUExecutionProvider"]
    (latents,) = json.loads(declared["signature"]["inputs"])
    (images,) = json.loads(declared["signature"]["outputs"])
    assert (latents["name"], latents["tensor-spec"]) == ("latents", {"dtype": "float32", "shape": [-1, LATENT_DIM]})
    assert (images["name"], images["tensor-spec"]) == ("images", {"dtype": "float32", "shape": [-1, 1, 32, 32]})
    assert (folder / "input_example.json").is_file()
    names = [line.partition("==")[0] for line in (folder / "requirements.txt").read_text().splitlines()]
    assert sorted(names) == ["mlflow", "numpy", "onnx", "onnxruntime"]


def test_the_configuration_beside_the_model_is_the_runs(
    stack: Settings, client: MlflowClient, registered: tuple[RetrainConfig, ModelVersionRef], tmp_path: Path
) -> None:
    folder = model_files(client, registered[1], tmp_path, stack)
    assert parse_config(yaml.safe_load((folder / "extra_files" / "retrain.yaml").read_text())) == registered[0]
    assert load_configuration(registered[1].model_name, 1, stack) == registered[0]


def test_a_fetched_version_draws_the_images_of_the_trained_generator(
    stack: Settings, registered: tuple[RetrainConfig, ModelVersionRef], exported: ExportedGenerator, tmp_path: Path
) -> None:
    fetched = fetch_version(registered[1].model_name, 1, stack, tmp_path / "new" / "folder")
    assert fetched == tmp_path / "new" / "folder" / "generator.onnx"
    assert file_sha256(fetched) == exported.onnx_sha256
    latents = draw_latents(4, 5, LATENT_DIM)
    with torch.inference_mode():
        expected = example_generator().eval()(torch.from_numpy(latents)).numpy()
    np.testing.assert_allclose(open_generator(fetched).decode(latents), expected, atol=1e-5)


def test_weights_fetched_for_fine_tuning_load_in_torch(
    stack: Settings, registered: tuple[RetrainConfig, ModelVersionRef], tmp_path: Path
) -> None:
    fetch_version(registered[1].model_name, 1, stack, tmp_path, with_weights=True)
    for name, tensor in load_exported_generator(tmp_path).state_dict().items():
        assert torch.equal(tensor, example_generator().state_dict()[name])


def test_a_flipped_bit_in_the_stored_graph_is_detected(
    stack: Settings,
    client: MlflowClient,
    config: RetrainConfig,
    evaluation: EvaluationRef,
    exported: ExportedGenerator,
    tmp_path: Path,
) -> None:
    version = register_generator(evaluation, exported, config, stack)
    where = client.get_model_version_download_uri(version.model_name, "1").removeprefix("mlflow-artifacts:/")
    storage = open_storage(stack)
    (key,) = (
        found.key for found in storage.list(f"{stack.mlflow_prefix}/") if found.key.endswith(f"{where}/model.onnx")
    )
    content = bytearray(storage.get_bytes(key))
    content[len(content) // 2] ^= 1
    storage.put_bytes(key, bytes(content))
    with pytest.raises(WganError, match=r"models:/.*/1 is damaged: its SHA-256 is"):
        fetch_version(version.model_name, 1, stack, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unknown_names_list_the_existing_ones(
    stack: Settings, registered: tuple[RetrainConfig, ModelVersionRef], tmp_path: Path
) -> None:
    name = registered[1].model_name
    with pytest.raises(UsageError, match="there is no registered model 'generator-nope': there are generator-"):
        load_version("generator-nope", 1, stack)
    with pytest.raises(UsageError, match=rf"{name} has no version 9: there are 1\."):
        fetch_version(name, 9, stack, tmp_path)
    with pytest.raises(UsageError, match="no registered model 'a/b:c'"):
        list_versions("a/b:c", 20, stack)


def test_a_foreign_version_is_reported_as_such(stack: Settings, client: MlflowClient) -> None:
    logged = client.create_logged_model(client.create_experiment(uuid.uuid4().hex)).model_id
    name = f"classifier-{uuid.uuid4().hex[:8]}"
    client.create_registered_model(name)
    client.create_model_version(name, source=f"models:/{logged}", model_id=logged)
    with pytest.raises(WganError, match=rf"models:/{name}/1 was not registered by this pipeline, or its files are"):
        load_version(name, 1, stack)


def test_an_unpromoted_or_unknown_model_has_no_champion(
    stack: Settings, registered: tuple[RetrainConfig, ModelVersionRef]
) -> None:
    assert champion_version(registered[1].model_name, stack) is None
    assert champion_version("generator-nope", stack) is None


def test_the_listing_shows_aliases_and_metrics(
    stack: Settings, client: MlflowClient, registered: tuple[RetrainConfig, ModelVersionRef]
) -> None:
    name = registered[1].model_name
    client.set_registered_model_alias(name, "challenger", "1")
    (entry,) = list_versions(name, 20, stack).versions
    assert (entry.version, entry.aliases, entry.gate) == (1, ("challenger",), None)
    assert (entry.metrics["fid"].mean, entry.metrics["fid"].low, entry.metrics["fid"].high) == (46.25, 44.0, 48.5)
    (model,) = (model for model in list_models(stack) if model.name == name)
    assert (model.latest_version, model.champion, model.challenger) == (1, None, 1)


def test_a_run_that_does_not_exist_is_one_sentence(
    stack: Settings, config: RetrainConfig, exported: ExportedGenerator
) -> None:
    with pytest.raises(WganError, match=r"Run with id=0+ not found"):
        register_generator(example_evaluation(config), exported, config, stack)


def test_an_unreachable_server_is_named_with_its_setting_at_once(stack: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        where = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(WganError, match=f"{where} does not answer.*wgan up.*WGAN_MLFLOW_TRACKING_URI"):
            champion_version("generator-digits", stack.model_copy(update={"mlflow_tracking_uri": where}))


@pytest.fixture
def scoring_server(
    stack: Settings,
    client: MlflowClient,
    config: RetrainConfig,
    evaluation: EvaluationRef,
    exported: ExportedGenerator,
    tmp_path: Path,
) -> Iterator[tuple[str, Path]]:
    """`mlflow models serve` of the champion on a free port: its address and its log."""
    name = register_generator(evaluation, exported, config, stack).model_name
    client.set_registered_model_alias(name, "champion", "1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{name}@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": stack.mlflow_tracking_uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # MLflow starts `uvicorn` by name; it lies beside this Python.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    log = tmp_path / "serve.log"
    with log.open("wb") as output:
        # A process group of its own: the command starts the web server as a child.
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            assert server.poll() is None, log.read_text()[-2000:]
            try:
                if httpx.get(f"{address}/ping", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.5)
        yield address, log
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def test_mlflow_serves_the_champion_with_the_images_of_onnx_runtime(
    scoring_server: tuple[str, Path], exported: ExportedGenerator
) -> None:
    address, log = scoring_server
    latents = draw_latents(6, 3, LATENT_DIM)
    expected = open_generator(exported.onnx).decode(latents)
    for body in ({"inputs": {"latents": latents.tolist()}}, {"inputs": latents.tolist()}):
        answer = httpx.post(f"{address}/invocations", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        images = np.asarray(answer.json()["predictions"]["images"], dtype=np.float32)
        assert images.shape == (3, 1, 32, 32)
        np.testing.assert_array_equal(images, expected)
    assert "CUDA" not in log.read_text()
