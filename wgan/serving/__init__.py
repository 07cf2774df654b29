"""Serve a registered generator and follow the registry: FastAPI, ONNX Runtime, no torch, no MLflow, no pickle."""
