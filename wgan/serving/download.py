"""Fetch the files of a version, from the MLflow server or from S3, and never more than allowed."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

import httpx

from wgan.errors import ObjectDamaged, ObjectMissing, WganError
from wgan.mlflow_server import connection_options, reason_of, registry_address
from wgan.model_version.record import EXTRA_FOLDER, ONNX_FILE, RECORD_FILE
from wgan.serving.faults import VersionFault
from wgan.settings import Settings

ARTIFACTS_ROUTE = "/api/2.0/mlflow-artifacts/artifacts/"
GRAPH_FILE = "generator.onnx"
"""What the graph is called on this machine."""
SMALL_FILES = (RECORD_FILE, "config.json", "sample.npy")


def download(base: str, folder: Path, settings: Settings) -> None:
    """Fetch `record.json`, `config.json`, `sample.npy` and `generator.onnx` from below the URI `base` into the folder.

    Raises `VersionFault` when a file is missing or too large, `WganError` when it cannot be fetched or written.
    """
    allowed = settings.serve_model_bytes
    with httpx.Client(**connection_options(settings)) as client:
        for file in SMALL_FILES:
            allowed -= _fetch(client, f"{base}/{EXTRA_FOLDER}/{file}", folder / file, allowed, settings)
        _fetch(client, f"{base}/{ONNX_FILE}", folder / GRAPH_FILE, allowed, settings)


def _fetch(client: httpx.Client, uri: str, path: Path, allowed: int, settings: Settings) -> int:
    """The file's size."""
    scheme, _, rest = uri.partition(":")
    if scheme == "s3":
        return _from_s3(uri, path, allowed, settings)
    if scheme == "mlflow-artifacts":
        # `mlflow-artifacts:/path`, or with a host of its own: the server that is asked passes its store's files on
        inner = urlsplit(uri).path if rest.startswith("//") else rest
        uri = f"{registry_address(settings)}{ARTIFACTS_ROUTE}{quote(inner.lstrip('/'))}"
    elif scheme not in ("http", "https"):
        raise WganError(
            f"the version's files are at {scheme[:32]}:…: only s3:// and MLflow's own artifacts are fetched."
        )
    return _from_server(client, uri, path, allowed)


def _from_s3(uri: str, path: Path, allowed: int, settings: Settings) -> int:
    from wgan.storage import open_storage, split_uri

    bucket, key = split_uri(uri)
    storage = open_storage(settings).at(bucket)
    try:
        size = next((entry.size for entry in storage.list(key) if entry.key == key), None)
        if size is not None and size > allowed:
            raise _too_large(path.name)
        storage.get_file(key, path)
    except ObjectMissing:
        raise _missing(path.name) from None
    return path.stat().st_size


def _from_server(client: httpx.Client, url: str, path: Path, allowed: int) -> int:
    size = 0
    try:
        with client.stream("GET", url) as response, path.open("wb") as file:
            if response.status_code == httpx.codes.NOT_FOUND:
                raise _missing(path.name)
            if response.is_error:
                if _is_absent(client, url):  # of which MLflow says 500, as of a store that is down
                    raise _missing(path.name)
                raise WganError(
                    f"the MLflow server does not pass {path.name} on (status {response.status_code}), "
                    "so the object store behind it may be down."
                )
            for block in response.iter_bytes(2**16):
                size += len(block)
                if size > allowed:
                    raise _too_large(path.name)
                file.write(block)
            announced = response.headers.get("content-length", "")
            if announced.isdigit() and response.num_bytes_downloaded != int(announced):
                raise ObjectDamaged(f"{path.name} was cut short at {response.num_bytes_downloaded} bytes.")
    except httpx.HTTPError as error:
        raise WganError(f"the download of {path.name} broke off ({reason_of(error)}).") from None
    return size


def _is_absent(client: httpx.Client, url: str) -> bool:
    """Whether the server lists the file's folder, and the file is not in it."""
    root, route, path = url.partition(ARTIFACTS_ROUTE)
    folder, _, name = unquote(path).rpartition("/")
    if not route:
        return False
    try:
        answer = client.get(root + route.rstrip("/"), params={"path": folder})
        files = answer.json().get("files", [])
        return answer.is_success and name not in [PurePosixPath(str(file["path"])).name for file in files]
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _missing(name: str) -> VersionFault:
    return VersionFault(f"there is no {name} where the version's files are: not a version of this pipeline, or gone.")


def _too_large(name: str) -> VersionFault:
    return VersionFault(f"{name} is larger than allowed: WGAN_SERVE_MODEL_BYTES bounds a version's files.")
