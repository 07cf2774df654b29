"""A small generator as an ONNX graph, written without torch: four transposed convolutions from noise to 32×32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

LATENT_DIM, SIDE = 8, 32
WIDTHS = (16, 8, 4)


def write_graph(path: Path, seed: int, channels: int = 1) -> None:
    """`latents` float32 (batch, 8) → `images` float32 (batch, channels, 32, 32) in [-1, 1]; `seed` is its weights'."""
    stream = np.random.default_rng(seed)
    constants = {"shape": np.array([-1, LATENT_DIM, 1, 1], np.int64)}
    nodes = [helper.make_node("Reshape", ["latents", "shape"], ["noise"])]
    before, name = LATENT_DIM, "noise"
    for number, after in enumerate((*WIDTHS, channels)):
        scale = 2 / np.sqrt(before * 4)
        constants[f"w{number}"] = (stream.standard_normal((before, after, 4, 4)) * scale).astype(np.float32)
        size = {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [1, 1, 1, 1]} if number else {"kernel_shape": [4, 4]}
        nodes.append(helper.make_node("ConvTranspose", [name, f"w{number}"], [f"c{number}"], **size))
        last = number == len(WIDTHS)
        name = "images" if last else f"a{number}"
        nodes.append(helper.make_node("Tanh" if last else "Relu", [f"c{number}"], [name]))
        before = after
    graph = helper.make_graph(
        nodes,
        "generator",
        [helper.make_tensor_value_info("latents", TensorProto.FLOAT, ["batch", LATENT_DIM])],
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", channels, SIDE, SIDE])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
