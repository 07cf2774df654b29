"""Hostile ONNX graphs that look like generators."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.onnx_ml_pb2 import GraphProto, ModelProto

LATENT_DIM, SIDE = 8, 32


def looping(trips: int | None = 2**62, trigger: float | None = None) -> bytes:
    """A graph that iterates `trips` times in a `Loop`; with `trigger`, only if the first latent is larger."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["carried", "nothing"], ["carried_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried_on", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(np.float32(0), "nothing")],
    )
    constants = {
        "trips": np.int64(trips), "go_first": np.array(True), "shape": np.array([-1, 1, SIDE, SIDE], np.int64),
        "spread": np.zeros((LATENT_DIM, SIDE * SIDE), np.float32), "zero": np.int64(0),
        "trigger": np.float32(trigger or 0), "first": np.array([0], np.int64),
    }  # fmt: skip
    turns = "trips"
    nodes = []
    if trigger is not None:
        nodes = [
            helper.make_node("ReduceMax", ["latents"], ["largest"], keepdims=0),
            helper.make_node("Greater", ["largest", "trigger"], ["hostile"]),
            helper.make_node("Where", ["hostile", "trips", "zero"], ["turns"]),
        ]
        turns = "turns"
    nodes += [
        helper.make_node("Loop", [turns, "go_first", "latents"], ["turned"], body=body),
        helper.make_node("MatMul", ["turned", "spread"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["images"]),
    ]
    return _model(nodes, constants)


def enormous() -> bytes:
    """A graph of a few hundred bytes that asks for 64 GiB."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["many"]),
        helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["latents", "spread"], ["flat"]),
        helper.make_node("Add", ["flat", "sum"], ["added"]),
        helper.make_node("Reshape", ["added", "shape"], ["images"]),
    ]
    constants = {
        "size": np.array([2**34], np.int64), "shape": np.array([-1, 1, SIDE, SIDE], np.int64),
        "spread": np.zeros((LATENT_DIM, SIDE * SIDE), np.float32),
    }  # fmt: skip
    return _model(nodes, constants)


def _model(nodes: list[object], constants: dict[str, np.ndarray]) -> bytes:
    graph: GraphProto = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("latents", TensorProto.FLOAT, ["batch", LATENT_DIM])],
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()
