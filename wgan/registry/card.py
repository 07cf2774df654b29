"""The model card: what a version is, how to sample from it, its data and training, its quality and limits.

Each paragraph is one line, because MLflow's page keeps line breaks.
"""

from __future__ import annotations

from wgan.config import RetrainConfig
from wgan.metric_text.summary import evaluation_markdown
from wgan.records import EvaluationRef, ModelVersionRef, TrainingRef

DATA_LICENCES = {
    "digits": "Optical Recognition of Handwritten Digits (UCI, as scikit-learn ships it), CC BY 4.0.",
    "mnist": "MNIST (LeCun and Cortes), usually given as CC BY-SA 3.0.",
    "stacked-mnist": "MNIST (LeCun and Cortes), usually given as CC BY-SA 3.0.",
    "fashion-mnist": "Fashion-MNIST, MIT licence.",
    "kmnist": "KMNIST, CC BY-SA 4.0.",
    "celeba": "CelebA, for non-commercial research only.",
}


def model_description(config: RetrainConfig) -> str:
    """A registered model's description in markdown: what all its versions have in common."""
    data = config.data
    colour = "grey" if data.channels == 1 else "colour"
    return (
        f"Wasserstein-GAN generator of {data.image_size}×{data.image_size} {colour} images of the data set "
        f"`{data.dataset_name}`, retrained by the flow `retrain`.\n\n"
        "Aliases: `champion` is served, `challenger` passed the gate and is on its way, `previous` is what a rollback "
        "returns to. "
        "Each version's description is its model card, with its lineage and its metrics.\n"
    )


def version_card(version: ModelVersionRef, config: RetrainConfig) -> str:
    """A version's model card in markdown."""
    training = version.evaluation.training
    parts = (
        _what_it_is(version, config),
        _usage(version),
        _data(training, config),
        _training(training, config),
        _metrics(version.evaluation),
        _export(version),
        _lineage(version),
        _limits(config),
    )
    return "\n\n".join(parts) + "\n"


def _what_it_is(version: ModelVersionRef, config: RetrainConfig) -> str:
    training = version.evaluation.training
    size, colour = training.dataset.image_size, "grey" if training.dataset.channels == 1 else "colour"
    objectives = {
        "wgan": "a Wasserstein GAN with weight clipping (Arjovsky, Chintala and Bottou, 2017, Algorithm 1)",
        "wgan-gp": "a Wasserstein GAN with gradient penalty (Gulrajani et al., 2017)",
        "gan": "a GAN with the binary cross-entropy loss, the baseline",
    }
    name = config.training.objective
    objective = objectives.get(name, f"a GAN with the objective `{name}`")
    return (
        f"# {version.model_name}\n\nThe generator of {objective}: a vector of {training.networks.latent_dim} standard "
        f"normal numbers becomes a {colour} image of {size}×{size} pixels like those of `{training.dataset.name}`."
    )


def _usage(version: ModelVersionRef) -> str:
    latent_dim = version.evaluation.training.networks.latent_dim
    which = (
        f"This loads version {version.version}, always. `models:/{version.model_name}@champion` is the version that is "
        "in production when it is loaded."
    )
    beside = (
        "`extra_files/generator.safetensors` and `config.json` hold the same weights for fine-tuning with torch, "
        "`critic.safetensors` the critic (`training.start_from` continues with both), "
        "`retrain.yaml` the whole configuration (`wgan retrain --config retrain.yaml`), `sample.png` sixteen images."
    )
    return f"""## Usage

```python
import mlflow, numpy
generator = mlflow.pyfunc.load_model("{version.uri}")
latents = numpy.random.standard_normal((16, {latent_dim})).astype("float32")
images = generator.predict({{"latents": latents}})["images"]  # (16, C, H, W), float32 in [-1, 1]
```

{which}

{beside}"""


def _data(training: TrainingRef, config: RetrainConfig) -> str:
    dataset = training.dataset
    held_out = f" and {dataset.held_out_count:,} held out" if dataset.held_out_count else ""
    left_out = f" ({dataset.bad_count:,} files did not decode and were left out)" if dataset.bad_count else ""
    mirrored = " In training, images are mirrored left to right at random." if config.data.mirror else ""
    classes = f", {len(dataset.classes)} classes" if dataset.classes else ", no labels"
    return (
        f"## Data\n\n`{dataset.name}` from source `{dataset.source}`: {dataset.count:,} images{held_out}{left_out}, "
        f"{dataset.channels}×{dataset.image_size}×{dataset.image_size}{classes}. Digest `{dataset.digest}`.{mirrored}"
    )


def _training(training: TrainingRef, config: RetrainConfig) -> str:
    run = config.training
    rate = f"{run.lr:g}"
    if run.lr_schedule != "constant":
        rate += f", {run.lr_schedule} to {run.lr * run.final_lr_share:g}"
    average = f"\n| average of the weights | drawn and exported, decay {run.ema_decay:g} |" if run.ema_decay else ""
    choice = f"\n| checkpoint | {training.choice.reason} |" if training.choice else ""
    estimate = "–" if training.wasserstein_estimate is None else f"{training.wasserstein_estimate:.4g}"
    return f"""## Training

| | |
|---|---|
| objective | {run.objective} |
| optimizer, learning rate | {run.optimizer}, {rate} |
| clip value, critic steps | {run.clip_value:g}, {run.n_critic} ({run.critic_schedule}) |
| batch size, width, latent dimension | {run.batch_size}, {training.networks.width}, {training.networks.latent_dim} |
| generator steps, seed | {training.trained_steps:,}, {run.seed} |{average}{choice}
| Wasserstein estimate (running median at the end) | {estimate} |
| device, precision | {training.device}, {training.precision} |
| time, throughput | {training.seconds:,.0f} s, {training.images_per_second:,.0f} images/s |"""


def _metrics(evaluation: EvaluationRef) -> str:
    beside = (
        "" if evaluation.champion is None else f" (champion: version {evaluation.champion_version}, measured beside it)"
    )
    return f"## Metrics{beside}\n\n{evaluation_markdown(evaluation.challenger, evaluation.champion)}"


def _export(version: ModelVersionRef) -> str:
    check = version.export_check
    return (
        f"## Export\n\nONNX opset {check.opset}, SHA-256 `{version.onnx_sha256}`. "
        f"On {check.samples} noise vectors ONNX Runtime and torch differ by at most {check.max_abs_difference:.2g} "
        f"(allowed {check.tolerance:g}; pixels in [-1, 1])."
    )


def _lineage(version: ModelVersionRef) -> str:
    training = version.evaluation.training
    plugins = "".join(f"\n| custom code | `{code}` |" for code in training.plugins)
    start = f"\n| started from | both networks of `{training.started_from}` |" if training.started_from else ""
    code = "not recorded" if training.code_version is None else f"`{training.code_version}`"
    return f"""## Lineage

| | |
|---|---|
| code | {code} |
| configuration | `{training.config_digest}` |
| data | `{training.dataset.uri}` |{start}
| checkpoint | `{training.checkpoint_uri}` (`{training.checkpoint_sha256}`) |
| Prefect flow run | `{training.flow_run_id}` |
| MLflow run | `{training.mlflow_run_id}` |{plugins}"""


def _limits(config: RetrainConfig) -> str:
    licence = DATA_LICENCES.get(config.data.source, "those of the data set; this pipeline does not know them.")
    return (
        "## Intended use and limits\n\n"
        "For research, teaching and testing of the pipeline. It only imitates the images it was trained on, with their "
        "gaps and biases, and may reproduce some of them nearly; it knows nothing of the world. There is no control "
        "over what is drawn but the noise. Do not pass its images off as photographs or records.\n\n"
        f"Licence of the code: Apache-2.0. Terms of the training data: {licence}"
    )
