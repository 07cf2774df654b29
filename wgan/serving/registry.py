"""Read the model registry over MLflow's REST API: light, quick, and unable to write.

Serving follows the registry with this. It sends GET requests and nothing else, and imports neither MLflow (seconds and
150 MB) nor anything that could change an alias.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from wgan.errors import ObjectDamaged, WganError
from wgan.model_version.record import EXTRA_FOLDER, ONNX_FILE, RECORD_FILE
from wgan.settings import Settings

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
"""Longest silence of the registry, also in the middle of a file."""
EXTRA_FILES = (RECORD_FILE, "config.json", "sample.npy")
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's error codes for a model and for an alias that are not there."""


class NotRegistered(WganError):
    """The registry answers, but there is no such model or no such alias."""


class DownloadStopped(WganError):
    """The caller gave the download up."""


@dataclass(frozen=True)
class RegistryVersion:
    """What the registry says of the version under an alias."""

    model: str
    version: int
    source: str
    """Of another one whenever another model was registered, even under the same number in a new registry."""
    created: datetime
    tags: dict[str, str] = field(hash=False)


class RegistryClient:
    """One HTTP connection to MLflow. For one thread; close it at the end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.where = settings.mlflow_tracking_uri.rstrip("/")
        if not self.where.startswith(("http://", "https://")):
            raise WganError(f"WGAN_MLFLOW_TRACKING_URI={self.where!r} is not the address of a server: http(s)://….")
        host = urlsplit(self.where).hostname
        self._client = httpx.Client(
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            headers=_authorization(),
            auth=_login(settings),
            trust_env=host not in ("127.0.0.1", "localhost", "::1"),  # an office proxy is not asked for this host
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def find(self, model: str, alias: str) -> RegistryVersion:
        """The version under an alias. Raises `NotRegistered`, or `WganError` when the registry does not answer."""
        found = self._json("registered-models/alias", name=model, alias=alias)
        if found is None:
            if self._json("registered-models/get", name=model) is None:
                raise NotRegistered(
                    f"there is no registered model {model!r} at {self.where}: `wgan models` lists them, "
                    "`wgan retrain` makes one."
                )
            raise NotRegistered(f"{model} has no {alias} yet: `wgan promote {model} VERSION` makes one.")
        entry = found["model_version"]
        return RegistryVersion(
            model=model,
            version=int(entry["version"]),
            source=str(entry.get("source", "")),
            created=datetime.fromtimestamp(int(entry["creation_timestamp"]) / 1000, UTC),
            tags={tag["key"]: tag.get("value", "") for tag in entry.get("tags", [])},
        )

    def download(self, version: RegistryVersion, folder: Path, stopped: Callable[[], bool] = lambda: False) -> None:
        """Fetch `generator.onnx`, `record.json`, `config.json` and `sample.npy` into the folder.

        Raises `WganError` when a file is missing, cut short or cannot be written, `DownloadStopped` when `stopped()`,
        asked after every block, says so.
        """
        answer = self._json("model-versions/get-download-uri", name=version.model, version=str(version.version))
        if answer is None:
            raise WganError(f"models:/{version.model}/{version.version} is gone from the registry at {self.where}.")
        base = str(answer["artifact_uri"]).rstrip("/")
        for file in EXTRA_FILES:
            self._fetch(f"{base}/{EXTRA_FOLDER}/{file}", folder / file, stopped)
        self._fetch(f"{base}/{ONNX_FILE}", folder / "generator.onnx", stopped)

    def _fetch(self, uri: str, path: Path, stopped: Callable[[], bool]) -> None:
        scheme, _, rest = uri.partition(":")
        if scheme == "s3":
            from wgan.storage import open_storage, split_uri

            bucket, key = split_uri(uri)
            open_storage(self.settings).at(bucket).get_file(key, path)
            return
        if scheme == "mlflow-artifacts":
            # `mlflow-artifacts:/path`, or with a host of its own: the server that is asked passes its store's files on
            inner = urlsplit(uri).path if rest.startswith("//") else rest
            uri = f"{self.where}/api/2.0/mlflow-artifacts/artifacts/{quote(inner.lstrip('/'))}"
        elif scheme not in ("http", "https"):
            raise WganError(f"{uri} cannot be fetched: only s3:// and MLflow's own artifacts can.")
        self._stream(uri, path, stopped)

    def _stream(self, url: str, path: Path, stopped: Callable[[], bool]) -> None:
        try:
            with self._client.stream("GET", url) as response, path.open("wb") as file:
                if response.status_code == httpx.codes.NOT_FOUND:
                    raise WganError(f"there is no {path.name} at {url}: not a version of this pipeline, or gone.")
                if response.is_error:
                    raise WganError(
                        f"the MLflow server does not pass {path.name} on (status {response.status_code}), "
                        "so the object store behind it may be down."
                    )
                for block in response.iter_bytes(2**16):
                    if stopped():
                        raise DownloadStopped("the download was stopped.")
                    file.write(block)
                announced = response.headers.get("content-length")
                if announced and response.num_bytes_downloaded != int(announced):
                    raise ObjectDamaged(f"{path.name} was cut short at {response.num_bytes_downloaded} bytes.")
        except httpx.HTTPError as error:
            raise WganError(f"the download of {path.name} from {self.where} broke off ({_reason(error)}).") from None
        except OSError as error:
            raise WganError(f"{path} cannot be written ({error.strerror}): make room, or set WGAN_CACHE_DIR.") from None

    def _json(self, route: str, **query: str) -> dict[str, Any] | None:
        """The registry's answer; None where there is no such thing."""
        try:
            response = self._client.get(f"{self.where}/api/2.0/mlflow/{route}", params=query)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                raise WganError(
                    f"the MLflow server at {self.where} asks who this is: set WGAN_MLFLOW_USERNAME and "
                    "WGAN_MLFLOW_PASSWORD to a user that may read."
                )
            if response.status_code == httpx.codes.FORBIDDEN:
                return None  # MLflow's basic-auth says this, and not in JSON, of what is not there
            body = response.json()
        except httpx.HTTPError as error:
            raise WganError(
                f"the MLflow server at {self.where} does not answer ({_reason(error)}): "
                "start the embedded stack with `wgan up`, or set WGAN_MLFLOW_TRACKING_URI."
            ) from None
        except ValueError:
            raise WganError(
                f"{self.where} answers with status {response.status_code} and is no MLflow server."
            ) from None
        if response.is_success and isinstance(body, dict):
            return body
        code = body.get("error_code") if isinstance(body, dict) else None
        if code in ABSENT:
            return None
        raise WganError(f"the MLflow server at {self.where} refused {route} (status {response.status_code}, {code}).")


def _authorization() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _login(settings: Settings) -> tuple[str, str] | None:
    if settings.mlflow_username and settings.mlflow_password:
        return settings.mlflow_username, settings.mlflow_password.get_secret_value()
    user, word = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return (user, word) if user and word else None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
