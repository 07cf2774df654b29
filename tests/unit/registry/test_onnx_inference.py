"""Images from an exported generator in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from wgan.errors import WganError
from wgan.latents import draw_latents
from wgan.model_version.inference import open_generator


def tiny_graph(path: Path, output: str = "images") -> Path:
    """`images` (batch, 1, 2, 2) are the four latents themselves, a closed form."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [4], [-1, 1, 2, 2])
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["latents", "shape"], [output])],
        "identity",
        [helper.make_tensor_value_info("latents", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 1, 2, 2])],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save_model(model, str(path))
    return path


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_images_are_the_decoded_noise_of_the_seed_as_bytes(tmp_path: Path, batch_size: int) -> None:
    images = open_generator(tiny_graph(tmp_path / "g.onnx")).generate(seed=5, count=7, batch_size=batch_size)
    latents = draw_latents(5, 7, 4).reshape(7, 1, 2, 2)
    # A pixel v in [-1, 1] is the byte round((v + 1) 127.5); what lies outside is clipped.
    expected = np.rint((np.clip(latents.astype(np.float64), -1, 1) + 1) * 127.5)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, expected)


def test_a_file_that_is_not_a_graph_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "g.onnx").write_bytes(b"not a graph")
    with pytest.raises(WganError, match=r"g\.onnx does not load in ONNX Runtime"):
        open_generator(tmp_path / "g.onnx")


def test_a_graph_that_is_not_a_generator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WganError, match="must map `latents` to `images`"):
        open_generator(tiny_graph(tmp_path / "g.onnx", output="scores"))
