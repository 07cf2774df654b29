"""The record stored in a version's folder; read by serving, which does not import MLflow."""

from __future__ import annotations

from wgan.records import EvaluationRef, ExportCheck, ModelVersionRef, Record

ONNX_FILE = "model.onnx"
"""Where MLflow's ONNX flavour puts the graph."""
EXTRA_FOLDER = "extra_files"
"""Where MLflow puts the extra files."""
RECORD_FILE = "record.json"
"""A `VersionRecord`."""
GENERATOR_FILE, CRITIC_FILE = "generator.safetensors", "critic.safetensors"
"""Both networks' weights; versions registered before critics were kept have only the first."""
RUN_CONFIG_FILE = "retrain.yaml"
"""The run's complete configuration, as accepted by `wgan retrain --config`."""


class VersionRecord(Record):
    """A version's data before the registry assigns its number; stored in its folder."""

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
