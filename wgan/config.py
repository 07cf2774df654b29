"""The configuration of a run: frozen, validated models with a description, a unit and bounds for every field.

A preset is a YAML file of `RetrainConfig` in `wgan/presets/`; Prefect shows the models as a form; MLflow gets them
as parameters. Endpoints, credentials and devices are in `wgan.settings`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from wgan.addresses import credential_in
from wgan.config_model import ConfigModel
from wgan.config_promotion import PromotionConfig
from wgan.data_rules import DataRules
from wgan.plugins import HoldsPaths, ImportPath, is_import_path, name_or_path

# fmt: off
SOURCES = (
    "digits", "mnist", "fashion-mnist", "kmnist", "cifar10", "celeba", "lsun", "stacked-mnist", "folder", "archive",
    "s3", "parquet", "webdataset",
)
# fmt: on
Source = Annotated[str, *name_or_path(*SOURCES)]
ImageSize = Literal[16, 32, 64, 128, 256]
Crop = Literal["centre", "resize", "pad"]
Objective = Annotated[str, *name_or_path("wgan", "wgan-gp", "gan")]
Network = Annotated[str, *name_or_path("dcgan")]
Precision = Literal["auto", "float32", "bf16"]
Beta = Annotated[float, Field(ge=0, lt=1)]
# fmt: off
METRICS = (
    "fid", "kernel_distance", "precision", "recall", "density", "coverage", "sliced_wasserstein", "modes", "reverse_kl",
    "memorisation",
)
# fmt: on
SHARDED_SOURCES = ("parquet", "webdataset")
OWN_SOURCES = ("folder", "archive", "s3", *SHARDED_SOURCES)
LOCATED_SOURCES = ("lsun", *OWN_SOURCES)


class DataConfig(ConfigModel):
    """The images, and how they are prepared."""

    source: Source = Field(
        "digits",
        description="A named data set; folder, archive, s3, parquet or webdataset for your own images; or the import "
        "path of a custom source.",
    )
    location: str | None = Field(
        None,
        description="Folder path, archive path or URL, or s3://bucket/prefix; for parquet and webdataset any of these; "
        "for lsun the class, e.g. bedroom.",
    )
    name: str | None = Field(
        None,
        description="Name of the data set in storage and registry; default: the source's name.",
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        max_length=60,
    )
    image_size: ImageSize = Field(32, description="Height and width of the prepared images, pixels.")
    channels: Literal[1, 3] = Field(1, description="1 for grey, 3 for RGB.")
    max_bad_fraction: float = Field(
        0.01, ge=0, le=1, description="Share of files that may fail to decode before the run fails."
    )
    max_images: int | None = Field(None, ge=16, description="Use at most this many images, the first ones.")
    held_out_fraction: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="Share of the images held out of training to detect memorisation; a source's own test split is "
        "taken instead where it has one. 0: none.",
    )
    crop: Crop = Field(
        "centre",
        description="How an image that is not square becomes it: centre cuts out the middle, resize stretches the "
        "whole image, pad adds white at two sides.",
    )
    deduplicate: Literal["none", "exact", "near"] = Field(
        "none",
        description="Copies that are left out, so that each picture is there once. exact: the same pixels; near: also "
        "the same picture encoded, resized or exposed differently.",
    )
    rules: DataRules = Field(
        default_factory=DataRules, description="What the data report may find before a warning, or a refusal."
    )
    mirror: bool = Field(
        False,
        description="Training only: mirror each image left to right with probability one half whenever it is drawn.",
    )
    image_column: str | None = Field(
        None, description="parquet only: column of the images; default: the only one that holds images."
    )
    label_column: str | None = Field(
        None,
        description="parquet: column of the classes; webdataset: key of the class in the .json of a sample. Default: "
        "the column of type ClassLabel or `label`; the .cls. none: no classes.",
    )
    stacked_count: int = Field(
        50_000, ge=16, le=10_000_000, description="stacked-mnist only: how many triples are drawn."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="stacked-mnist only: seed of the triples.")

    @property
    def dataset_name(self) -> str:
        """Name of the data set in storage and, as `generator-<name>`, in the registry."""
        if self.name:
            return self.name
        return f"lsun-{self.location}".replace("_", "-") if self.source == "lsun" else self.source

    @field_validator("location")
    @classmethod
    def _no_credential(cls, location: str | None) -> str | None:
        """A configuration is shown in MLflow and Prefect, and stored with every checkpoint."""
        if location and "://" in location and (found := credential_in(location)):
            raise ValueError(
                f"data.location must not hold a credential ({found}), because configurations are shown and stored: put "
                "user and password into ~/.netrc, or download the file and give its path, or use data.source=s3"
            )
        return location

    @model_validator(mode="after")
    def _location_fits_the_source(self) -> Self:
        if self.source in LOCATED_SOURCES and not self.location:
            raise ValueError(f"data.location is needed for data.source={self.source}")
        if self.source not in LOCATED_SOURCES and self.location and not is_import_path(self.source):
            raise ValueError(
                f"data.location is only used with data.source={'|'.join(LOCATED_SOURCES)}, not {self.source}"
            )
        if (self.source in OWN_SOURCES or is_import_path(self.source)) and not self.name:
            raise ValueError(f"data.name is needed for data.source={self.source}: it names the registered model")
        if self.source == "stacked-mnist" and self.channels != 3:
            raise ValueError("data.channels must be 3 for stacked-mnist: each channel is a digit")
        return self


class NetworksConfig(ConfigModel):
    """Generator and critic."""

    generator: Network = Field(
        "dcgan", description="dcgan: the paper's; or the import path of a subclass of ImageGenerator."
    )
    critic: Network = Field(
        "dcgan", description="dcgan: the paper's, without a sigmoid; or the import path of a torch module."
    )

    width: int = Field(
        64,
        ge=4,
        le=512,
        description="Channels d of the critic's first layer; the generator's last hidden layer has 2d.",
    )
    latent_dim: int = Field(100, ge=1, le=4096, description="Dimension z of the noise.")


class TrainingConfig(ConfigModel):
    """Algorithm 1 of Arjovsky, Chintala and Bottou (2017), and the two objectives it is compared with."""

    objective: Objective = Field(
        "wgan",
        description="wgan: weight clipping; wgan-gp: gradient penalty; gan: BCE baseline; or the import path of a "
        "custom objective.",
    )
    generator_steps: int = Field(850, ge=1, le=10_000_000, description="Generator updates in the whole run.")
    batch_size: int = Field(64, ge=2, le=8192, description="Images in a batch of one worker, m in Algorithm 1.")
    workers: int = Field(
        1,
        ge=1,
        le=1024,
        description="Processes that train together, each with its own batches; their gradients are averaged. More "
        "than 1 needs the extra `scale`.",
    )
    synchronise_batch_norm: bool = Field(
        False,
        description="Several workers only: the generator's BatchNorm takes its statistics over the batches of all "
        "workers. Default: each over its own batch.",
    )
    optimizer: Literal["rmsprop", "adam"] = Field(
        "rmsprop", description="rmsprop as in the paper; adam for comparison."
    )
    lr: float = Field(5e-5, gt=0, le=1, description="Learning rate of both optimizers, alpha in Algorithm 1.")
    lr_schedule: Literal["constant", "linear"] = Field(
        "constant",
        description="linear: the learning rate falls with every generator step, to final_lr_share of itself at the "
        "end of the run.",
    )
    final_lr_share: float = Field(
        0.0, ge=0, le=1, description="Share of the learning rate that the linear schedule ends at."
    )
    rmsprop_alpha: float = Field(0.99, ge=0, lt=1, description="RMSProp's smoothing constant.")
    rmsprop_eps: float = Field(1e-8, gt=0, description="RMSProp's epsilon.")
    adam_betas: tuple[Beta, Beta] = Field((0.0, 0.9), description="Adam's betas, when optimizer is adam.")
    clip_value: float = Field(0.01, gt=0, le=10, description="Critic parameters are clamped to [-c, c] (wgan only).")
    gradient_penalty: float = Field(10.0, ge=0, description="Weight lambda of the penalty (wgan-gp only).")
    n_critic: int = Field(5, ge=1, le=1000, description="Critic steps per generator step.")
    critic_schedule: Literal["constant", "published"] = Field(
        "constant",
        description="published: 100 critic steps for the first 25 generator steps and at every 500th (authors' code).",
    )
    ema_decay: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of the moving average of the generator's weights, which is then what is drawn, evaluated "
        "and exported; 0: no average.",
    )
    start_from: str = Field(
        "none",
        description="Networks that training starts from, with fresh optimizers: none (freshly drawn), champion (none "
        "while there is no champion), or the number of a registered version.",
    )
    evaluate_every: int = Field(
        0,
        ge=0,
        description="Generator steps between evaluations during training; the checkpoint with the lowest Fréchet "
        "distance is registered. 0: none, and the last checkpoint is registered.",
    )
    evaluation_images: int = Field(
        1024, ge=16, le=100_000, description="Generated and real images in an evaluation during training."
    )
    patience: int = Field(
        0,
        ge=0,
        description="Evaluations in a row without a lower Fréchet distance after which training ends; 0: it never ends "
        "early.",
    )
    precision: Precision = Field(
        "auto",
        description="auto: bf16 where a few steps of the run, measured at its start, are at least 1.15 times as "
        "fast in it, else float32.",
    )
    tf32: bool = Field(
        True,
        description="CUDA only: float32 products round their factors to TF32 (10 bits of mantissa), which is several "
        "times as fast.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of every random stream of the training.")
    log_every: int = Field(10, ge=1, description="Generator steps between logged metrics.")
    sample_every: int = Field(100, ge=1, description="Generator steps between sample grids of fixed noise.")
    sample_count: int = Field(64, ge=1, le=1024, description="Images in a sample grid.")
    checkpoint_every_steps: int = Field(200, ge=1, description="Generator steps between checkpoints.")
    checkpoint_every_seconds: float = Field(
        120.0, gt=0, description="Seconds between checkpoints, whichever comes first."
    )
    keep_checkpoints: int = Field(
        2, ge=1, le=100, description="Newest checkpoints that are kept, beside the best of evaluate_every."
    )

    @field_validator("start_from")
    @classmethod
    def _names_a_start(cls, name: str) -> str:
        if not re.fullmatch("none|champion|[1-9][0-9]{0,8}", name):
            raise PydanticCustomError("start", "it must be none, champion or the number of a version")
        return name

    @model_validator(mode="after")
    def _patience_needs_evaluations(self) -> Self:
        if self.patience and not self.evaluate_every:
            raise ValueError("training.patience needs training.evaluate_every: without evaluations nothing improves")
        return self


class EvaluationConfig(ConfigModel):
    """The protocol: how many images, through which features, how often."""

    extractor: Literal["auto", "classifier", "pixels", "imagenet-lite", "inception"] = Field(
        "auto",
        description="Feature space of the metrics; auto: classifier where the data has labels, else pixels.",
    )
    sample_count: int = Field(1024, ge=16, le=100_000, description="N generated against N real images per seed.")
    seeds: int = Field(5, ge=2, le=100, description="Independent repetitions from which the intervals are computed.")
    neighbours: int = Field(5, ge=1, le=100, description="k of precision, recall, density and coverage.")
    captured_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="A mode counts as captured from this share of its frequency in the data; 0: when hit once.",
    )
    memorisation_images: int = Field(
        10_000,
        ge=0,
        le=1_000_000,
        description="Maximum training images searched for memorisation and nearest neighbours; 0: none.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence level of the intervals.")
    batch_size: int = Field(256, ge=1, le=8192, description="Images per forward pass.")
    seed: int = Field(1_000, ge=0, lt=2**31, description="First of the consecutive seeds.")
    metrics: Annotated[tuple[ImportPath, ...], HoldsPaths()] = Field(
        (), description="Import paths of custom metrics, shown beside the others and not judged."
    )

    @field_validator("metrics")
    @classmethod
    def _names_are_free(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        names = [path.rpartition(":")[2] for path in paths]
        if taken := [name for name in names if name in METRICS or names.count(name) > 1]:
            raise PydanticCustomError("taken", f"there is already a metric {taken[0]}: rename the function")
        return paths


class RetrainConfig(ConfigModel):
    """One retraining run."""

    data: DataConfig = Field(default_factory=DataConfig, description="The images, and how they are prepared.")
    networks: NetworksConfig = Field(default_factory=NetworksConfig, description="Generator and critic.")
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="The training algorithm.")
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig, description="The evaluation protocol.")
    promotion: PromotionConfig = Field(default_factory=PromotionConfig, description="The promotion gate.")

    @property
    def model_name(self) -> str:
        """Name of the registered model."""
        return registered_name(self.data.dataset_name)


def registered_name(dataset: str) -> str:
    """Name of the registered model that is trained on a data set of this name."""
    return f"generator-{dataset}"


def config_digest(config: BaseModel) -> str:
    """SHA-256 (hex) over the canonical JSON of a configuration: equal exactly when every field is equal."""
    return hashlib.sha256(
        json.dumps(config.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def flat_parameters(config: BaseModel) -> dict[str, str]:
    """Dotted name → text of every field, as MLflow parameters require."""

    def walk(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from walk(f"{prefix}.{name}" if prefix else name, inner)
        else:
            yield prefix, "" if value is None else str(value)

    return dict(walk("", config.model_dump(mode="json")))
