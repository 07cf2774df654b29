"""What is written down of a version in its own folder; read by serving, which imports no MLflow."""

from __future__ import annotations

from wgan.records import EvaluationRef, ExportCheck, ModelVersionRef, Record

ONNX_FILE = "model.onnx"
"""Where MLflow's ONNX flavour puts the graph."""
EXTRA_FOLDER = "extra_files"
"""Where MLflow puts the files beside it."""
RECORD_FILE = "record.json"
"""A `VersionRecord`."""
RUN_CONFIG_FILE = "retrain.yaml"
"""The whole run's configuration, as `wgan retrain --config` takes it."""


class VersionRecord(Record):
    """What is known of a version before the registry gives it a number; lies in its folder."""

    evaluation: EvaluationRef
    model_name: str
    onnx_sha256: str
    export_check: ExportCheck

    def numbered(self, version: int) -> ModelVersionRef:
        """The record that travels between tasks."""
        return ModelVersionRef(
            evaluation=self.evaluation,
            model_name=self.model_name,
            version=version,
            uri=f"models:/{self.model_name}/{version}",
            onnx_sha256=self.onnx_sha256,
            export_check=self.export_check,
        )
