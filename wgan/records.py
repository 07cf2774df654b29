"""The records passed between tasks: small, frozen, with URIs, digests and counts; never tensors or models.

`DatasetRef → TrainingRef → EvaluationRef → ModelVersionRef → LedgerEntry`. Each holds the record it came from, so that
a served image can be traced back: version → evaluation → run and checkpoint → data-set digest → source.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from wgan.config import NetworksConfig
from wgan.config_promotion import CanaryConfig, PromotionConfig
from wgan.plugins import PluginCode


class Record(BaseModel):
    """Frozen; JSON both ways."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileCount(Record):
    """Files of a data set with a common reason."""

    reason: str = Field(description="What, in a few words.")
    count: int = Field(ge=1, description="Files.")
    examples: tuple[str, ...] = Field((), description="Names of some.")


def _within_calendars(time: datetime) -> datetime:
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise ValueError(f"the year must be from {FIRST_YEAR} to {LAST_YEAR}")
    return time


FIRST_YEAR, LAST_YEAR = 1970, 9000
Moment = Annotated[AwareDatetime, AfterValidator(_within_calendars)]
"""A time with its zone, representable in every calendar and time zone."""


class DatasetRef(Record):
    """A prepared data set in S3."""

    name: str = Field(description="Name in storage.")
    source: str = Field(description="`data.source` of the configuration it was prepared from.")
    digest: str = Field(description="SHA-256 over the source's digest and everything that shapes the pixels.")
    uri: str = Field(description="s3:// address of manifest.json.")
    manifest_sha256: str = Field(description="SHA-256 of the manifest's bytes.")
    count: int = Field(ge=1, description="Images to train on.")
    held_out_count: int = Field(0, ge=0, description="Images beside them that are kept out of training.")
    bad_count: int = Field(ge=0, description="Files left out because they did not decode.")
    image_size: int = Field(description="Pixels.")
    channels: int
    classes: tuple[str, ...] = Field(description="Class names by label; empty where the data has no labels.")
    left_out: tuple[FileCount, ...] = Field(
        (), description="Skipped files by reason, including those that did not decode."
    )
    remarks: tuple[FileCount, ...] = Field((), description="Images with a remark on how they were read.")


class CheckpointEvaluation(Record):
    """What a checkpoint's generator measured during the training."""

    step: int = Field(ge=0, description="Generator steps of the checkpoint.")
    metrics: dict[str, float] = Field(description="`fid`, `precision`, `recall`, `coverage`; with labels `modes`.")
    protocol_digest: str = Field(description="SHA-256 of its protocol; numbers of different ones are not compared.")


class CheckpointChoice(Record):
    """Which checkpoint of a training was taken, and why."""

    step: int = Field(description="Generator steps of the checkpoint.")
    fid: float = Field(description="Its Fréchet distance, the lowest.")
    last_step: int = Field(description="Generator steps of the whole training.")
    last_fid: float = Field(description="Fréchet distance of the last checkpoint.")
    evaluations: int = Field(ge=1, description="Checkpoints that were evaluated.")
    images: int = Field(description="Generated and real images in each evaluation.")
    ended_early: bool = Field(description="Whether training ended because nothing improved.")

    @property
    def reason(self) -> str:
        """One sentence."""
        early = f" Training ended early, after {self.last_step:,} steps." if self.ended_early else ""
        others = f"the lowest of {self.evaluations} evaluations during training, {self.images:,} images each"
        last = "" if self.step == self.last_step else f"; the last, of step {self.last_step:,}, had {self.last_fid:.2f}"
        return f"The checkpoint of step {self.step:,} has a Fréchet distance of {self.fid:.2f}, {others}{last}.{early}"


class TrainingRef(Record):
    """A finished training run."""

    dataset: DatasetRef
    flow_run_id: str = Field(description="Prefect flow run; the checkpoints are keyed by it.")
    mlflow_run_id: str
    config_digest: str = Field(description="SHA-256 of the whole run's configuration.")
    code_version: str | None = Field(None, description="Of this package; None in records made before it was kept.")
    networks: NetworksConfig
    plugins: tuple[PluginCode, ...] = Field((), description="Custom code that the configuration names.")
    checkpoint_uri: str = Field(description="s3:// address of the checkpoint that was taken: the last, or the best.")
    checkpoint_sha256: str
    generator_steps: int = Field(description="Of that checkpoint.")
    started_from: str | None = Field(
        None, description="models:/<name>/<version> that training started from; None: from freshly drawn networks."
    )
    choice: CheckpointChoice | None = Field(None, description="Why that checkpoint; None: it is the last one.")
    because: str | None = Field(None, description="The drift for which it was started; None: not by a drift watch.")
    wasserstein_estimate: float | None = Field(description="Running median at the end; None for the BCE baseline.")
    images_per_second: float = Field(description="Real images through the critic per second, whole run.")
    seconds: float = Field(description="Wall-clock seconds of training, all attempts together.")
    device: str
    precision: str
    sample_grid: str = Field(description="Path of the last sample grid among the MLflow run's artifacts.")

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on why and where training started and which checkpoint was taken; none for the usual way."""
        return (
            *([f"A drift watch found a reason to retrain. {self.because}"] if self.because else []),
            *([f"Training started from both networks of {self.started_from}."] if self.started_from else []),
            *([self.choice.reason] if self.choice else []),
        )

    @property
    def trained_steps(self) -> int:
        """Generator steps of the whole training."""
        return self.choice.last_step if self.choice else self.generator_steps


class Interval(Record):
    """Mean over seeds with a confidence interval (Student t)."""

    mean: float
    low: float
    high: float
    values: tuple[float, ...] = Field(description="One value per seed, in seed order.")


class EvaluationProtocol(Record):
    """What makes two numbers comparable; numbers of different protocols are never compared."""

    extractor: str
    extractor_digest: str = Field(description="SHA-256 of the extractor's weights or definition.")
    extractor_accuracy: float | None = Field(None, description="Held-out accuracy of a classifier; None for others.")
    data_digest: str
    sample_count: int
    seeds: tuple[int, ...]
    neighbours: int
    captured_share: float = Field(0.1, description="Share of a mode's frequency from which it counts as captured.")
    training_images: int = Field(0, description="Training images that memorisation is judged against.")
    held_out_images: int = Field(0, description="Real images held out of training per seed; 0: no memorisation.")
    confidence: float
    own_metrics: tuple[str, ...] = Field(
        (),
        exclude_if=lambda codes: not codes,  # keeps the digest of protocols from before the field existed
        description="Custom metrics: import path and source digest of each.",
    )


class Measurement(Record):
    """One generator under one protocol: metric name → interval.

    Names: `fid`, `kernel_distance`, `precision`, `recall`, `density`, `coverage`, `sliced_wasserstein`; with labels
    `modes`, `reverse_kl`; with held-out images `memorisation`; custom metrics by the names of their functions.
    """

    protocol: EvaluationProtocol
    metrics: dict[str, Interval]


class PublishedNumbers(Record):
    """One generator's numbers in the way of papers: no intervals over seeds."""

    generated_images: int
    training_images: int = Field(description="The whole training set.")
    fid: float = Field(description="Fréchet distance in Inception's 2,048 pooled features, unscaled.")
    inception_score: float = Field(description="Mean over the parts; from 1 to the number of classes, 1,008.")
    inception_score_deviation: float = Field(description="Standard deviation over the parts.")
    splits: int


class Bounds(Record):
    """The bounds of a generator's numbers under one protocol."""

    real_images: Measurement | None = Field(
        description="Held-out images in the generator's place; None without enough."
    )
    untrained: Measurement = Field(description="The untrained generator of the same architecture.")
    no_real_images_reason: str | None = Field(None, description="Why there is none of real images.")


class EvaluationRef(Record):
    """Challenger and champion, if there is one, measured side by side."""

    training: TrainingRef
    challenger: Measurement
    champion: Measurement | None = None
    champion_version: int | None = None
    champion_judged_on: str | None = Field(
        None, description="Data digest of the champion's measurement before this one; None where there was none."
    )
    bounds: Bounds | None = Field(None, description="Real images and an untrained generator under the same protocol.")
    grids: dict[str, str] = Field(
        default_factory=dict,
        description="challenger, champion: path of the sample grid among the MLflow run's artifacts, same seed.",
    )


class ExportCheck(Record):
    """Comparison of the exported model with the trained one on the same noise."""

    samples: int
    max_abs_difference: float = Field(description="Largest pixel difference, range of pixels [-1, 1].")
    tolerance: float
    opset: int


class ModelVersionRef(Record):
    """A registered model version."""

    evaluation: EvaluationRef
    model_name: str
    version: int
    uri: str = Field(description="models:/<name>/<version>")
    onnx_sha256: str
    export_check: ExportCheck


class GateRule(Record):
    """One rule of the gate and its result."""

    name: str
    passed: bool
    reason: str = Field(description="One sentence: metric, both values, interval, rule.")
    requirement: str = Field("", description="What a metric's rule asks for, for a table; empty for other rules.")


class GateDecision(Record):
    """The gate's answer with all its numbers."""

    promote: bool
    first_model: bool
    rules: tuple[GateRule, ...]
    remarks: tuple[str, ...] = Field((), description="How the challenger was trained, where that is worth a remark.")
    challenger: Measurement | None = Field(None, description="What was measured; None in decisions not on numbers.")
    champion: Measurement | None = Field(None, description="What was measured beside it; None for a first model.")
    champion_version: int | None = None
    champion_judged_on: str | None = Field(
        None, description="Data digest of the champion's measurement before this one; None where there was none."
    )

    @property
    def reason(self) -> str:
        """Why, in one line: the rules that failed, or what was better."""
        failed = [rule.reason for rule in self.rules if not rule.passed]
        if failed:
            return " ".join(failed)
        decisive = next((rule for rule in self.rules if rule.name == "fid"), self.rules[0])
        return f"All {len(self.rules)} rules passed; {decisive.reason}"


class ReleasePlan(Record):
    """The way of a version from the gate to production, as its configuration has it."""

    approval: bool = Field(False, description="Whether a person must approve it.")
    approval_hours: float = Field(168.0, description="Hours after which it is refused if nobody did.")

    canary: CanaryConfig | None = Field(None, description="The share of the requests that it draws first.")
    watch_minutes: float = Field(0.0, description="Minutes after the promotion in which a fault rolls it back.")

    @classmethod
    def of(cls, rules: PromotionConfig) -> ReleasePlan:
        """The plan of a configuration."""
        return cls(
            approval=rules.approval == "required",
            approval_hours=rules.approval_hours,
            canary=rules.canary,
            watch_minutes=rules.watch_minutes,
        )

    @property
    def is_direct(self) -> bool:
        """Whether the version becomes champion at once."""
        return not self.approval and self.canary is None and not self.watch_minutes


Action = Literal[
    "passed", "approved", "canary", "promoted", "kept", "refused", "withdrawn", "rolled-back", "reconciled",
    "moved-outside",
]  # fmt: skip
"""passed: the gate says yes, and the version is the challenger. approved: a person says yes. canary: it begins to draw
a share of the requests. withdrawn: it is no longer the challenger, by no fault of its own. reconciled: a move of the
champion that was recorded afterwards. kept: nothing was wrong in the time after the promotion.
moved-outside: the alias was moved by something else, as on MLflow's page."""


class SideFigures(Record):
    """What one version's requests took in a canary."""

    requests: int = Field(ge=0, description="Requests drawn, and those that failed.")
    failures: int = Field(ge=0)
    seconds: float | None = Field(description="The quantile of the latency; None without requests.")
    low: float | None = Field(description="Its lower confidence bound.")
    high: float | None = Field(description="Its upper confidence bound; None: not bounded by so few requests.")


class CanaryFigures(Record):
    """The figures of a canary, over all serving processes."""

    challenger: SideFigures
    champion: SideFigures
    processes: int = Field(ge=0, description="Serving processes that answered.")
    minutes: float = Field(ge=0, description="Since its beginning.")


class CanaryEnd(Record):
    """How a canary ended."""

    outcome: Literal["good", "worse", "undecided", "changed"] = Field(
        description="changed: the version is no longer in it, because an alias was moved or a person refused it."
    )
    reason: str
    figures: CanaryFigures | None = None


class WatchEnd(Record):
    """How the watch after a promotion ended."""

    outcome: Literal["kept", "fault", "changed"] = Field(description="changed: another version is the champion.")
    reason: str


class LedgerEntry(Record):
    """One entry of the ledger: a step of a version on its way to production, its end, or a rollback."""

    id: str
    number: int | None = Field(None, ge=1, description="Place in the ledger; None in entries made before there were.")
    previous: str | None = Field(None, description="Id of the entry before; None for the first.")
    model_name: str
    action: Action
    time: Moment
    from_version: int | None
    to_version: int
    forced: bool = False
    reason: str
    decision: GateDecision | None = None
    plan: ReleasePlan | None = Field(None, description="The version's way; None in entries of a direct promotion.")
    figures: CanaryFigures | None = Field(None, description="Of the canary that the entry ends.")
    flow_run_id: str | None = None
    actor: str | None = None


class ServingCheck(Record):
    """The outcome of a promotion at one serving process."""

    url: str
    outcome: Literal["confirmed", "refused", "unconfirmed", "not served"] = Field(
        description="unconfirmed: it did not answer or follow in time; not served: it was started for other models or "
        "another alias. Both say nothing about the version."
    )
    reason: str
    seconds: float = Field(description="From the first request to the outcome.")
    grey_level_difference: int | None = Field(
        None, description="Largest difference of its images from the recorded sample, of 255; None: none were drawn."
    )


class BackupRef(Record):
    """A backup that a worker wrote."""

    path: str = Field(description="Its folder on the worker's machine.")
    objects: int
    bytes: int = Field(description="Databases and objects together.")
    taken_over: int = Field(description="Objects that were taken from an earlier backup.")
    databases: tuple[str, ...]


class RetrainSkipped(Record):
    """The result of a retraining on a condition that does not hold: new data, enough of it, or drift."""

    dataset: DatasetRef
    model_name: str
    version: int = Field(description="The version whose data was compared with this data set.")
    reason: str = Field(description="Which condition, with its figures, as the rest of a sentence.")
    in_short: str = Field(description="The same for the name of the run.")


class RetrainOutcome(Record):
    """What a retraining flow returns."""

    version: ModelVersionRef
    promotion: LedgerEntry | None = Field(description="None where promotion was not asked for.")
    serving: tuple[ServingCheck, ...] = Field((), description="One for each configured serving process.")
