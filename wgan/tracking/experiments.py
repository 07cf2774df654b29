"""MLflow experiments: created at their first run, with a description of their content and how to read it."""

from __future__ import annotations

from mlflow import MlflowClient

from wgan.settings import Settings
from wgan.tracking.columns import VIEW_TAG, view_state
from wgan.tracking.run_status import NOTE_TAG

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Makes MLflow's page open the experiment with its views for model training, not those for language models."""


def ensure_experiment(client: MlflowClient, name: str, description: str, columns: bool = False) -> str:
    """The experiment's id; created if it does not exist. An existing description is kept.

    With `columns` it has the shared view of `wgan.tracking.columns`.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        view = {VIEW_TAG: view_state()} if columns else {}
        return str(client.create_experiment(name, tags={NOTE_TAG: description, **KIND, **view}))
    if not experiment.tags.get(NOTE_TAG):
        client.set_experiment_tag(experiment.experiment_id, NOTE_TAG, description)
    if columns and experiment.tags.get(VIEW_TAG) != view_state():
        client.set_experiment_tag(experiment.experiment_id, VIEW_TAG, view_state())
    return str(experiment.experiment_id)


def retraining_description(settings: Settings) -> str:
    """The description of the experiment of all retrainings, in markdown."""
    paragraphs = (
        "Retrainings of Wasserstein-GAN generators: each run is one flow run of `retrain`, which prepares the data, "
        "trains, measures, registers a version and submits it to the promotion gate.",
        "**Names** are *data set · version · outcome · seed*. The outcome is `promoted`, `refused` by the gate, "
        "`rolled back`, or `registered` where the gate was not asked. A run without a version is training, or failed.",
        "**In a run**: *Model metrics* has the samples of the same noise step by step, and the curves. *Overview* has "
        "the outcome, why, and every metric beside the champion's. *Artifacts* has the whole configuration "
        "(`config.yaml`, for `wgan retrain --config`), sample grids and the evaluation's tables.",
        f"**Elsewhere**: [registered models, their cards and aliases]({settings.mlflow_link('/models')}), "
        f"[flow runs and schedules in Prefect]({settings.prefect_page}/runs).",
    )
    return "\n\n".join(paragraphs)  # MLflow's page keeps line breaks
