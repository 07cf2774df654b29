"""The exported generator equals the trained one; otherwise it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.unit.registry.examples import LATENT_DIM, example_generator
from wgan.errors import WganError
from wgan.file_digest import file_sha256
from wgan.latents import draw_latents
from wgan.model_version.inference import open_generator
from wgan.registry.model_folder import ExportedGenerator
from wgan.steps.export import OPSET, TOLERANCE, check_export, load_exported_generator, write_export
from wgan.training.networks import Generator


@pytest.fixture(scope="module")
def generator() -> Generator:
    return example_generator()


@pytest.fixture(scope="module")
def exported(generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> ExportedGenerator:
    return write_export(generator, tmp_path_factory.mktemp("export"), seed=3)


@pytest.mark.parametrize("batch", [1, 2, 3, 17, 64])
def test_onnx_runtime_draws_what_torch_draws_in_any_batch_size(
    generator: Generator, exported: ExportedGenerator, batch: int
) -> None:
    latents = draw_latents(seed=11, count=batch, latent_dim=LATENT_DIM)
    with torch.inference_mode():
        expected = generator.eval()(torch.from_numpy(latents)).numpy()
    found = open_generator(exported.onnx).decode(latents)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.std() > 0.05  # the images are no constant that any graph would draw


@pytest.mark.parametrize(("image_size", "channels"), [(64, 3), (128, 1)])
def test_other_sizes_and_colour_are_exported_too(tmp_path: Path, image_size: int, channels: int) -> None:
    exported = write_export(example_generator(image_size=image_size, channels=channels), tmp_path, samples=4)
    assert exported.check.max_abs_difference <= TOLERANCE
    assert open_generator(exported.onnx).generate(0, 2).shape == (2, channels, image_size, image_size)


def test_the_check_reports_the_largest_difference_the_bound_and_the_opset(exported: ExportedGenerator) -> None:
    assert (exported.check.samples, exported.check.tolerance, exported.check.opset) == (64, TOLERANCE, OPSET)
    assert 0 <= exported.check.max_abs_difference < 1e-5


def test_a_generator_other_than_the_exported_one_is_refused(exported: ExportedGenerator) -> None:
    with pytest.raises(WganError, match="not the trained one: a pixel differs by"):
        check_export(example_generator(seed=1).eval(), LATENT_DIM, exported.onnx)


def test_one_changed_weight_is_refused(exported: ExportedGenerator) -> None:
    changed = example_generator().eval()
    with torch.no_grad():
        changed.layers[-2].bias += 0.05
    with pytest.raises(WganError, match="not the trained one"):
        check_export(changed, LATENT_DIM, exported.onnx)


def test_a_generator_that_draws_nan_is_refused(tmp_path: Path) -> None:
    broken = example_generator()
    with torch.no_grad():
        broken.layers[-2].bias.fill_(float("nan"))
    with pytest.raises(WganError, match="differs by nan"):
        write_export(broken, tmp_path)


def test_the_graph_is_one_file_with_a_fixed_opset_and_a_dynamic_batch(exported: ExportedGenerator) -> None:
    model = onnx.load(str(exported.onnx), load_external_data=False)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert all(weight.data_location == onnx.TensorProto.DEFAULT for weight in model.graph.initializer)
    (latents,), (images,) = model.graph.input, model.graph.output
    assert (latents.name, images.name) == ("latents", "images")
    sizes = [entry.dim_param or entry.dim_value for entry in images.type.tensor_type.shape.dim]
    assert sizes == ["batch", 1, 32, 32]


def test_the_graph_names_no_file_of_the_exporting_computer(exported: ExportedGenerator) -> None:
    content = exported.onnx.read_bytes()
    assert b"site-packages" not in content
    assert b".py" not in content


def test_the_same_generator_gives_the_same_bytes(
    generator: Generator, exported: ExportedGenerator, tmp_path: Path
) -> None:
    again = write_export(generator, tmp_path)
    assert again.onnx_sha256 == exported.onnx_sha256 == file_sha256(exported.onnx)


def test_exporting_does_not_change_the_generators_mode(tmp_path: Path) -> None:
    training = example_generator().train()
    write_export(training, tmp_path, samples=2)
    assert training.training


def test_the_weights_come_back_to_the_bit_for_fine_tuning(generator: Generator, exported: ExportedGenerator) -> None:
    loaded = load_exported_generator(exported.onnx.parent)
    assert not loaded.training
    assert loaded.state_dict().keys() == generator.state_dict().keys()
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_a_folder_without_weights_is_named_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WganError, match=r"is not an exported generator: config.json is missing\."):
        load_exported_generator(tmp_path)


def test_weights_that_do_not_fit_the_configuration_are_refused(exported: ExportedGenerator, tmp_path: Path) -> None:
    values = json.loads(exported.config.read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, "width": 8}))
    (tmp_path / "generator.safetensors").write_bytes(exported.safetensors.read_bytes())
    with pytest.raises(WganError, match=r"does not hold the generator that config.json describes"):
        load_exported_generator(tmp_path)


def test_the_recorded_sample_can_be_drawn_again_from_its_seed(exported: ExportedGenerator) -> None:
    config = json.loads(exported.config.read_text())
    sample = np.load(exported.sample, allow_pickle=False)
    assert sample.shape == (config["sample_count"], 1, 32, 32)
    drawn = open_generator(exported.onnx).decode(draw_latents(config["sample_seed"], len(sample), LATENT_DIM))
    np.testing.assert_array_equal(sample, drawn)
