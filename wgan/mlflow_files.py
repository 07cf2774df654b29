"""Downloads a file of a version or a run from the MLflow server or from S3, within a size limit.

It sends only GET requests, so that serving may import it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

import httpx

from wgan.errors import ObjectDamaged, ObjectMissing, WganError
from wgan.mlflow_server import login_asked, reason_of, registry_address
from wgan.settings import Settings

ARTIFACTS_ROUTE = "/api/2.0/mlflow-artifacts/artifacts/"


class FileAbsent(WganError):
    """The file does not exist."""


class FileTooLarge(WganError):
    """The file is larger than allowed."""


def fetch_file(client: httpx.Client, uri: str, path: Path, most_bytes: int, settings: Settings) -> int:
    """Fetch the file at `uri` (s3:, mlflow-artifacts:, http:, https:) to `path`; returns its size in bytes.

    Raises `FileAbsent`, `FileTooLarge`, and `WganError` if it cannot be fetched or written.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "s3":
        return _from_s3(uri, path, most_bytes, settings)
    if scheme == "mlflow-artifacts":
        # `mlflow-artifacts:/path`, possibly with a host: the MLflow server proxies its store's files
        inner = urlsplit(uri).path if rest.startswith("//") else rest
        uri = f"{registry_address(settings)}{ARTIFACTS_ROUTE}{quote(inner.lstrip('/'))}"
    elif scheme not in ("http", "https"):
        raise WganError(
            f"the version's files are at {scheme[:32]}:…: only s3:// and MLflow's own artifacts are fetched."
        )
    return _from_server(client, uri, path, most_bytes)


def _from_s3(uri: str, path: Path, most_bytes: int, settings: Settings) -> int:
    from wgan.storage import open_storage, split_uri

    bucket, key = split_uri(uri)
    storage = open_storage(settings).at(bucket)
    try:
        size = next((entry.size for entry in storage.list(key) if entry.key == key), None)
        if size is not None and size > most_bytes:
            raise _too_large(path.name)
        storage.get_file(key, path)
    except ObjectMissing:
        raise _missing(path.name) from None
    return path.stat().st_size


def _from_server(client: httpx.Client, url: str, path: Path, most_bytes: int) -> int:
    size = 0
    try:
        with client.stream("GET", url) as response, path.open("wb") as file:
            if response.status_code == httpx.codes.NOT_FOUND:
                raise _missing(path.name)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                raise login_asked(url.partition(ARTIFACTS_ROUTE)[0])
            if response.is_error:
                if _is_absent(client, url):  # MLflow returns 500, as for a store that is down
                    raise _missing(path.name)
                raise WganError(
                    f"the MLflow server does not pass {path.name} on (status {response.status_code}), "
                    "so the object store behind it may be down."
                )
            for block in response.iter_bytes(2**16):
                size += len(block)
                if size > most_bytes:
                    raise _too_large(path.name)
                file.write(block)
            announced = response.headers.get("content-length", "")
            if announced.isdigit() and response.num_bytes_downloaded != int(announced):
                raise ObjectDamaged(f"{path.name} was cut short at {response.num_bytes_downloaded} bytes.")
    except httpx.HTTPError as error:
        raise WganError(f"the download of {path.name} broke off ({reason_of(error)}).") from None
    return size


def _is_absent(client: httpx.Client, url: str) -> bool:
    """Whether the server lists the file's folder without the file."""
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


def _missing(name: str) -> FileAbsent:
    return FileAbsent(f"there is no {name} where the version's files are: not a version of this pipeline, or gone.")


def _too_large(name: str) -> FileTooLarge:
    return FileTooLarge(f"{name} is larger than allowed: WGAN_SERVE_MODEL_BYTES bounds a version's files.")
