"""The parameters by which runs are compared: few and short, since MLflow shows them all beside each picture."""

from __future__ import annotations

from wgan.config import RetrainConfig

DATA_SET = "data_set"
SEED = "seed"


def compared_parameters(config: RetrainConfig, device: str) -> dict[str, str]:
    """Name of the field → value; the whole configuration is the artifact `config.yaml`.

    Of the critic's two constraints, it includes the objective's: the penalty's weight for `wgan-gp`, else the clip
    value.
    """
    training = config.training
    bound = "gradient_penalty" if training.objective == "wgan-gp" else "clip_value"
    values = {
        DATA_SET: config.data.dataset_name,
        "image_size": config.data.image_size,
        "objective": training.objective,
        "width": config.networks.width,
        "lr": training.lr,
        "batch_size": training.batch_size,
        "n_critic": training.n_critic,
        bound: getattr(training, bound),
        "generator_steps": training.generator_steps,
        SEED: training.seed,
        "precision": training.precision,
        "device": device,
    }
    return {name: str(value) for name, value in values.items()}
