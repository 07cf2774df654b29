"""Where things are: endpoints, buckets, credentials, folders. The configuration of a run is in `wgan.config`.

Every value can be set as an environment variable with the prefix `WGAN_` or in a file `.env`. Unset values come from
the embedded stack: the addresses and credentials that `wgan up` wrote to `WGAN_HOME`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from wgan.connection_file import read_connection
from wgan.errors import UsageError
from wgan.price import parse_price
from wgan.processors import usable_processors

S3_CREDENTIALS = {"s3_access_key_id", "s3_secret_access_key"}


class Settings(BaseSettings):
    """Where things are. Unset values fall back to the embedded stack's connection file, then to the defaults."""

    model_config = SettingsConfigDict(
        env_prefix="WGAN_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    plugins: str = Field(
        "",
        description="Modules that import paths in a configuration may name, comma-separated, each with its submodules; "
        "empty: none.",
    )

    home: Path = Field(Path(".wgan"), description="Folder for the embedded stack's state, logs and the local cache.")
    cache_dir: Path | None = Field(None, description="Local cache of data sets; default: `cache` in the home folder.")

    s3_endpoint_url: str = Field(
        "http://127.0.0.1:9000", description="S3 endpoint; AWS itself is https://s3.<region>.amazonaws.com."
    )
    s3_access_key_id: str | None = Field(None, description="S3 access key; unset: boto3's own credential chain.")
    s3_secret_access_key: SecretStr | None = Field(None, description="S3 secret key.")
    signing_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Key that signs what only this pipeline writes into the bucket and reads again; the same on every "
        "machine of it. Unset: nothing is signed, and anybody who can write to the bucket is trusted.",
    )
    s3_region: str = Field("us-east-1", description="S3 region.")
    bucket: str = Field("wgan", description="Bucket that holds all persistent data.", min_length=3, max_length=63)
    datasets_prefix: str = Field("datasets", description="Key prefix of prepared data sets.")
    checkpoints_prefix: str = Field("checkpoints", description="Key prefix of training checkpoints.")
    mlflow_prefix: str = Field("mlflow", description="Key prefix of MLflow's artifacts.")
    prefect_prefix: str = Field("prefect", description="Key prefix of Prefect task results.")
    promotions_prefix: str = Field("promotions", description="Key prefix of the promotion ledger.")
    evaluation_prefix: str = Field("evaluation", description="Key prefix of cached feature extractors and features.")
    releases_prefix: str = Field("releases", description="Key prefix of what canaries and watches have counted.")

    mlflow_tracking_uri: str = Field("http://127.0.0.1:5000", description="MLflow tracking and registry server.")
    mlflow_experiment: str = Field("wgan", description="MLflow experiment that holds the runs.")
    mlflow_username: str | None = Field(None, description="User at an MLflow server that asks for one (basic-auth).")
    mlflow_password: SecretStr | None = Field(None, description="That user's password.")
    mlflow_public_url: str | None = Field(
        None, description="Address of MLflow for browsers, in links and pictures; default: WGAN_MLFLOW_TRACKING_URI."
    )
    prefect_api_url: str = Field("http://127.0.0.1:4200/api", description="Prefect server's API.")
    prefect_auth_string: SecretStr | None = Field(
        None,
        description="`user:password` of a Prefect server that asks for it (its PREFECT_SERVER_API_AUTH_STRING); the "
        "embedded one's is made by `wgan up`.",
    )
    prefect_public_url: str | None = Field(
        None, description="Address of Prefect's UI for browsers, in links; default: WGAN_PREFECT_API_URL without /api."
    )
    mlflow_database_url: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host:port/database that the embedded MLflow keeps its runs in, and "
        "that `wgan backup` saves; default: SQLite in the home folder.",
    )
    prefect_database_url: SecretStr | None = Field(None, description="The same for Prefect; it needs its own database.")

    outside_moves: Literal["keep", "revert"] = Field(
        "keep", description="What happens to a champion that was moved outside this pipeline, as on MLflow's page."
    )
    work_pool: str = Field("wgan", description="Prefect work pool of the schedules, served by `wgan worker`.")
    gpu_slots: int = Field(
        1,
        ge=1,
        le=10_000,
        description="Trainings that may run at the same time without a GPU; `wgan up` and `schedule apply` set it. "
        "Each GPU holds one.",
    )
    ray_address: str = Field(
        "",
        description="Ray cluster that decodes images and trains with several workers: auto or host:port; empty: this "
        "machine does.",
    )
    ray_worker_cpus: int | None = Field(
        None,
        ge=1,
        description="Processors of each such worker, and its threads; default: an equal share of this machine's, or 1 "
        "on a cluster.",
    )
    ray_collective_seconds: float = Field(
        120.0,
        ge=1,
        description="Longest wait of a worker for the others in one step; then the training starts again from its "
        "newest checkpoint.",
    )
    ray_wait_seconds: float = Field(
        300.0, ge=1, description="Longest wait for enough workers, also for a node that was lost."
    )
    heartbeat_seconds: int = Field(
        30,
        ge=30,
        le=3600,
        description="Seconds between a scheduled run's heartbeats; after three missed ones it counts as crashed.",
    )
    notify_url: SecretStr | None = Field(
        None,
        description="Addresses that `wgan worker` notifies of failed and crashed runs, refused and promoted versions, "
        "separated by spaces or commas: webhooks, http(s)://…, and services that Apprise knows; unset: none.",
    )

    backups_dir: Path | None = Field(
        None,
        description="Folder of the backups that are started from Prefect's page, on the worker's machine; default: "
        "`backups` in the home folder.",
    )
    keep_checkpoint_days: float = Field(
        7.0, ge=0, description="Housekeeping: days that checkpoints of a finished run are kept."
    )
    keep_dataset_days: float = Field(
        30.0, ge=0, description="Housekeeping: days that a data set is kept after anything last referred to it."
    )
    keep_upload_days: float = Field(
        1.0, ge=0, description="Housekeeping: days after which an unfinished multipart upload is aborted."
    )
    keep_result_days: float = Field(
        30.0, ge=0, description="Housekeeping: days that task results and counts of a finished run are kept."
    )
    keep_cache_days: float = Field(
        30.0, ge=0, description="Housekeeping: days that this machine's copies of data sets are kept unused."
    )

    s3_port: int = Field(9000, ge=1, le=65535, description="Port of the embedded S3 server.")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="Port of the embedded MLflow server.")
    prefect_port: int = Field(4200, ge=1, le=65535, description="Port of the embedded Prefect server.")
    start_timeout: float = Field(90.0, gt=0, description="Seconds an embedded server may take to become healthy.")

    serving_urls: str = Field(
        "", description="Serving processes that a retraining waits for after a promotion, comma-separated; empty: none."
    )
    serving_wait_seconds: float = Field(
        60.0, gt=0, le=3600, description="Longest wait for a serving process to draw the promoted version."
    )
    serving_api_key: SecretStr | None = Field(None, description="API key that the pipeline sends to serving processes.")

    device: str = Field(
        "auto",
        description="Where training and evaluation run: auto, cpu, mps, cuda (any free GPU), or cuda:N.",
    )
    price_per_hour: str | None = Field(
        None,
        description="What an hour of this machine costs, e.g. 2.50 EUR; `wgan retrain --dry-run` then says what a run "
        "costs. Unset: no cost is given.",
    )
    mirror_url: str | None = Field(
        None, description="Base URL of a mirror: files are fetched from <mirror>/<source>/<file name>."
    )
    inception_weights: Path | None = Field(
        None,
        description="The file weights-inception-2015-12-05-6726825d.pth; default: downloaded into the cache on first "
        "use.",
    )
    download_max_bytes: int = Field(64 * 2**30, gt=0, description="Largest file a download may have, in bytes.")
    prepare_workers: int = Field(
        default_factory=lambda: usable_processors().count, ge=1, description="Processes that decode images."
    )

    serve: bool = Field(True, description="Whether `wgan up` starts a serving process beside its other servers.")
    serve_models: str = Field(
        "",
        description="Registered models to serve, comma-separated, the default first; empty: every one with a champion.",
    )
    serve_max_models: int = Field(
        16, ge=1, le=1000, description="Most models that a process takes up by itself; those named are always served."
    )
    serve_host: str = Field("127.0.0.1", description="Address that `wgan serve` listens on; 0.0.0.0: every one.")
    serve_port: int = Field(8080, ge=0, le=65535, description="Port of `wgan serve`; 0: any free one.")
    serve_poll_seconds: float = Field(2.0, ge=0.05, le=3600, description="Seconds between polls of the registry.")
    serve_challenger: Literal["off", "header", "split", "shadow"] = Field(
        "header",
        description="When the challenger draws: never, when asked, for a share of all, or unseen beside the champion.",
    )
    serve_challenger_percent: float = Field(
        10.0, ge=0, le=100, description="Percentage of requests that split or shadow take."
    )
    serve_threads: int = Field(
        default_factory=lambda: usable_processors().count, ge=1, description="Threads of one forward pass when serving."
    )
    serve_max_count: int = Field(512, ge=1, le=4096, description="Most images in one request.")
    serve_max_batch: int = Field(16, ge=1, le=256, description="Most images in one forward pass when serving.")
    serve_batch_seconds: float = Field(
        0.002, ge=0, le=1, description="Longest wait for others to share a forward pass; only under concurrent load."
    )
    serve_queue_images: int = Field(2048, ge=1, description="Images that may wait; more is answered with 429.")
    serve_request_seconds: float = Field(30.0, gt=0, le=3600, description="Longest a request may take, in seconds.")
    serve_answer_values: int = Field(
        2**24, ge=2**16, description="Most values (count × channels × height × width) in one answer of images."
    )
    serve_connections: int = Field(512, ge=1, description="Connections at a time; more are answered with 503.")
    serve_model_bytes: int = Field(2**31, ge=2**20, description="Largest that a version's files may be, in bytes.")
    serve_load_seconds: float = Field(
        600.0, gt=0, le=86_400, description="Longest that downloading and verifying a version may take, in seconds."
    )
    serve_verify_seconds: float = Field(
        120.0, ge=1, le=86_400, description="Processor time that verifying a version may take, in seconds."
    )
    serve_verify_bytes: int = Field(2**30, ge=2**28, description="Memory that verifying a version may take, in bytes.")
    serve_body_bytes: int = Field(4 * 2**20, ge=1024, description="Largest request body, in bytes.")
    serve_api_keys: SecretStr | None = Field(
        None, description="SHA-256 (hex) of the allowed API keys, separated by commas; unset: no key is asked for."
    )
    serve_api_keys_file: Path | None = Field(
        None, description="File of such hashes, one a line, name after it; read again when it changes."
    )
    serve_cors_origins: str = Field("", description="Origins whose pages may call, separated by commas; empty: none.")
    serve_names: str = Field(
        "",
        description="Names by which serving may be addressed, host:port or host:*, separated by commas; empty: this "
        "machine's own where it listens on loopback only, else any.",
    )
    serve_webhook_secret: SecretStr | None = Field(
        None, description="Secret of MLflow's webhook to /hooks/mlflow; unset: it is off."
    )

    listen_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret of the notifications that `wgan listen` takes: a bearer token, or the key of their "
        "signatures; unset: it takes none.",
    )
    listen_quiet_seconds: float = Field(
        60.0, gt=0, le=3600, description="Seconds without a notification after which `wgan listen` starts schedules."
    )

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", device, re.ASCII):
            raise ValueError("it must be auto, cpu, mps, cuda or cuda:N")
        return device

    @field_validator("home", "cache_dir", "backups_dir", "inception_weights")
    @classmethod
    def _tilde_is_the_users_home(cls, folder: Path | None) -> Path | None:
        try:
            return folder.expanduser() if folder else None
        except RuntimeError:
            raise ValueError("there is no such user with a home folder") from None

    @field_validator("price_per_hour")
    @classmethod
    def _price_has_a_currency(cls, price: str | None) -> str | None:
        if price is not None:
            parse_price(price)
        return price

    @property
    def mlflow_page(self) -> str:
        """URL of MLflow for a browser, without a trailing slash."""
        return (self.mlflow_public_url or self.mlflow_tracking_uri).rstrip("/")

    def mlflow_link(self, route: str) -> str:
        """URL of one of MLflow's pages (`/models`) in its mode for model training; the other mode has no models."""
        return f"{self.mlflow_page}/#{route}?workflowType=machine_learning"

    @property
    def prefect_page(self) -> str:
        """URL of Prefect's UI for a browser, without a trailing slash."""
        return (self.prefect_public_url or self.prefect_api_url.rstrip("/").removesuffix("/api")).rstrip("/")

    @property
    def models_to_serve(self) -> tuple[str, ...]:
        """The names in `serve_models`; empty for every model with a champion."""
        return tuple(name.strip() for name in self.serve_models.split(",") if name.strip())

    @property
    def cache(self) -> Path:
        """Folder of the local cache."""
        return self.cache_dir or self.home / "cache"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then `.env`; the connection file is read in `load_settings`."""
        return init_settings, env_settings, dotenv_settings


def embedded_addresses(settings: Settings) -> dict[str, Any]:
    """The URLs of the embedded servers with these ports, by the names of the settings."""
    return {
        "s3_endpoint_url": f"http://127.0.0.1:{settings.s3_port}",
        "mlflow_tracking_uri": f"http://127.0.0.1:{settings.mlflow_port}",
        "prefect_api_url": f"http://127.0.0.1:{settings.prefect_port}/api",
    }


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from arguments, environment, `.env` and the embedded stack's connection file, in that order.

    Raises `UsageError` naming the variable, the value and what is allowed.
    """
    try:
        explicit = Settings(**overrides)
        stored = read_connection(explicit.home) or embedded_addresses(explicit)
        given = explicit.model_fields_set
        if "s3_endpoint_url" in given and explicit.s3_endpoint_url != stored.get("s3_endpoint_url"):
            given = given | S3_CREDENTIALS | {"signing_key"}  # the embedded server's must not go to another store
        if "prefect_api_url" in given and explicit.prefect_api_url != stored.get("prefect_api_url"):
            given = given | {"prefect_auth_string"}  # nor the embedded server's login to another one
        if "mlflow_tracking_uri" in given and explicit.mlflow_tracking_uri != stored.get("mlflow_tracking_uri"):
            given = given | {"serving_urls"}  # the embedded serving process follows the embedded registry
        fallback = {name: value for name, value in stored.items() if name not in given}
        return Settings(**{**overrides, **fallback})
    except OSError as error:
        raise UsageError(
            f"{error.filename} cannot be read ({error.strerror}): set WGAN_HOME to your own folder."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = "WGAN_" + "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"setting {name}={first['input']!r}: {reason}.") from None
