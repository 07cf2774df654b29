"""All persistent data is in S3; this is the only module that uses boto3."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from boto3.exceptions import Boto3Error, S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)
from botocore.loaders import Loader

from wgan.errors import AccessRefused, ObjectDamaged, ObjectMissing, StorageError
from wgan.file_digest import file_sha256
from wgan.settings import Settings
from wgan.storage.keys import key_obstacle
from wgan.storage.refusals import refusal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MULTIPART_BYTES = 16 * 2**20
MOST_BYTES = 2**28  # maximum for an object read into memory
MISSING_CODES = ("404", "NoSuchKey", "NotFound", "NoSuchBucket", "NoSuchUpload")
UNSUPPORTED_CODES = ("NotImplemented", "MethodNotAllowed", "405", "501")
BEYOND_THE_END_CODES = ("InvalidRange", "InvalidArgument", "416")
MOST_IN_A_REQUEST = 1000
"""S3's maximum of objects deleted in one request."""
READ_ATTEMPTS = 5
"""Attempts to read an object whose response breaks off: boto3 only retries requests without a response."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing."""

    key: str
    size: int
    modified: datetime
    etag: str
    """Changes whenever the content changes."""


@dataclass(frozen=True)
class UnfinishedUpload:
    """A multipart upload that was started and neither completed nor aborted."""

    key: str
    upload_id: str
    initiated: datetime


@dataclass(frozen=True)
class Storage:
    """One bucket. Keys are relative to it; every failure is a `StorageError` in one sentence."""

    client: S3Client
    bucket: str

    def at(self, bucket: str) -> Storage:
        """The same store, another bucket."""
        return Storage(self.client, bucket)

    def uri(self, key: str) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{key}"

    def ensure_bucket(self) -> None:
        """Create the bucket unless it exists."""
        try:
            with self._translated_errors(""):
                # Like head_bucket, but a refusal gives a reason.
                self.client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
        except ObjectMissing:
            region = self.client.meta.region_name
            place: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            with (
                self._translated_errors(""),
                suppress(self.client.exceptions.BucketAlreadyOwnedByYou),
            ):  # by another process
                self.client.create_bucket(Bucket=self.bucket, **place)

    def exists(self, key: str) -> bool:
        """Whether the object exists."""
        try:
            with self._translated_errors(key):
                self.client.head_object(Bucket=self.bucket, Key=key)
        except ObjectMissing:
            return False
        return True

    def put_bytes(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> str:
        """Write one object; returns its URI. Raises `StorageError` for a key that not every store accepts."""
        self._require_plain(key)
        with self._translated_errors(key):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)
        return self.uri(key)

    def get_bytes(self, key: str) -> bytes:
        """Read a whole object. Raises `ObjectMissing`, or `ObjectDamaged` if it has more than 256 MiB."""
        with self._translated_errors(key):
            for _ in range(READ_ATTEMPTS - 1):
                with suppress(HTTPClientError, IncompleteReadError):
                    return self._read(key)
            return self._read(key)

    def get_first_bytes(self, key: str, count: int) -> bytes:
        """Read the first `count` bytes, or all if there are fewer. Raises `ObjectMissing`."""
        with self._translated_errors(key):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=0-{count - 1}")
            except ClientError as error:  # a range of an empty object; with the embedded store also of a short one
                if error.response.get("Error", {}).get("Code") not in BEYOND_THE_END_CODES:
                    raise
                answer = self.client.get_object(Bucket=self.bucket, Key=key)
            with answer["Body"] as body:  # a store without range support sends all of it
                return body.read(count)

    def put_file(self, key: str, path: Path, content_type: str = "application/octet-stream") -> str:
        """Upload a file (multipart when large; an object appears only when complete); returns its URI.

        Raises `StorageError` for a key that not every store accepts.
        """
        self._require_plain(key)
        with self._translated_errors(key):
            try:
                self.client.upload_file(
                    str(path), self.bucket, key, ExtraArgs={"ContentType": content_type}, Config=_transfer()
                )
            except S3UploadFailedError as error:  # it holds text instead of the response
                raise error.__context__ if isinstance(error.__context__, ClientError) else error from None
        return self.uri(key)

    def get_file(self, key: str, path: Path, sha256: str | None = None) -> None:
        """Download to `path` through a temporary file beside it, so that the final name never holds a partial file.

        Raises `ObjectMissing`, or `ObjectDamaged` if the content's SHA-256 (hex) differs from `sha256`.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            with self._translated_errors(key):
                self.client.download_file(self.bucket, key, temporary, Config=_transfer())
            if sha256 is not None and (found := file_sha256(Path(temporary))) != sha256:
                raise ObjectDamaged(
                    f"{self.uri(key)} is damaged: its SHA-256 is {found[:12]}…, expected {sha256[:12]}…."
                )
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def list(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """The objects whose key starts with the prefix and comes after `after`, 1,000 per request.

        Within one folder they come in the order of their keys. SeaweedFS lists `a/b` before `a-b`, so `after` is only
        for a prefix without sub-folders.
        """
        pages = self.client.get_paginator("list_objects_v2")
        with self._translated_errors(prefix):
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, StartAfter=after):
                for entry in page.get("Contents", []):
                    yield StoredObject(entry["Key"], entry["Size"], entry["LastModified"], entry["ETag"])

    def delete(self, key: str) -> None:
        """Remove one object; no error if it does not exist."""
        with self._translated_errors(key):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def delete_all(self, keys: Sequence[str]) -> dict[str, str]:
        """Remove objects, 1,000 per request; returns those that could not be removed: key → the store's error."""
        failed: dict[str, str] = {}
        for start in range(0, len(keys), MOST_IN_A_REQUEST):
            part = keys[start : start + MOST_IN_A_REQUEST]
            with self._translated_errors(part[0]):
                answer = self.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in part], "Quiet": True}
                )
            failed |= {error["Key"]: error.get("Code", "unknown") for error in answer.get("Errors", [])}
        return failed

    def list_uploads(self, prefix: str = "") -> Sequence[UnfinishedUpload] | None:
        """Unfinished multipart uploads to keys that start with the prefix; None if the store cannot list them."""
        found = []
        with self._translated_errors(prefix):
            try:
                for page in self.client.get_paginator("list_multipart_uploads").paginate(
                    Bucket=self.bucket, Prefix=prefix
                ):
                    for entry in page.get("Uploads", []):
                        found.append(UnfinishedUpload(entry["Key"], entry["UploadId"], entry["Initiated"]))
            except ClientError as error:
                if error.response.get("Error", {}).get("Code", "") in UNSUPPORTED_CODES:
                    return None
                raise
        return [upload for upload in found if upload.key.startswith(prefix)]  # nanio lists all, whatever the prefix

    def uploaded_parts(self, upload: UnfinishedUpload) -> tuple[int, datetime]:
        """Bytes of an unfinished upload, and the time of its last part. Raises `ObjectMissing` if it is gone."""
        size, newest = 0, upload.initiated
        with self._translated_errors(upload.key):
            for page in self.client.get_paginator("list_parts").paginate(
                Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id
            ):
                for part in page.get("Parts", []):
                    size, newest = size + part["Size"], max(newest, part["LastModified"])
        return size, newest

    def abort_upload(self, upload: UnfinishedUpload) -> None:
        """Abort an unfinished upload and free its parts; no error if it no longer exists."""
        with suppress(ObjectMissing), self._translated_errors(upload.key):
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id)

    def clock(self) -> datetime:
        """The store's clock, by which objects are dated, in whole seconds. Raises `StorageError`."""
        with self._translated_errors(""):
            headers = self.client.head_bucket(Bucket=self.bucket)["ResponseMetadata"]["HTTPHeaders"]
        if "date" not in headers:
            raise StorageError(f"the object store at {self.client.meta.endpoint_url} does not say what time it is.")
        return parsedate_to_datetime(headers["date"])

    def _require_plain(self, key: str) -> None:
        if (why := key_obstacle(key)) is not None:
            raise StorageError(
                f"{self.uri(key)!r} is not written: its key {why}, which not every object store accepts."
            )

    def _read(self, key: str) -> bytes:
        answer = self.client.get_object(Bucket=self.bucket, Key=key)
        if (size := answer["ContentLength"]) > MOST_BYTES:
            raise ObjectDamaged(f"{self.uri(key)} has {size:,} bytes; no more than {MOST_BYTES:,} are read at once.")
        return answer["Body"].read()

    @contextmanager
    def _translated_errors(self, key: str) -> Iterator[None]:
        where = self.client.meta.endpoint_url
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in MISSING_CODES:
                raise ObjectMissing(f"there is no {self.uri(key)} at {where}.") from None
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if key and status in (400, 403) and (why := key_obstacle(key)) is not None:
                raise StorageError(
                    f"the object store at {where} does not accept {self.uri(key)!r}: its key {why}."
                ) from None
            answer = error.response.get("ResponseMetadata", {})
            raise refusal(answer, code or str(error), f"the object store at {where}", self.uri(key)) from None
        except NoCredentialsError:
            raise AccessRefused(
                "there are no S3 credentials: start the embedded stack with `wgan up`, or set "
                "WGAN_S3_ACCESS_KEY_ID and WGAN_S3_SECRET_ACCESS_KEY."
            ) from None
        except (ConnectionError, HTTPClientError) as error:
            raise StorageError(
                f"the object store at {where} does not answer: start the embedded stack with `wgan up`, "
                f"or set WGAN_S3_ENDPOINT_URL ({error})."
            ) from None
        except (BotoCoreError, Boto3Error) as error:
            raise StorageError(f"the object store at {where} failed for {self.uri(key)}: {error}.") from None


def open_storage(settings: Settings) -> Storage:
    """The configured bucket. Opens no connection yet."""
    secret = settings.s3_secret_access_key
    arguments: dict[str, Any] = {
        "endpoint_url": settings.s3_endpoint_url,
        "region_name": settings.s3_region,
        "aws_access_key_id": settings.s3_access_key_id,
        "aws_secret_access_key": secret.get_secret_value() if secret else None,
    }
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "auto" if "amazonaws.com" in settings.s3_endpoint_url else "path"},
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=5,
        read_timeout=60,
    )
    return Storage(_new_session().client("s3", config=config, **arguments), settings.bucket)


def _new_session() -> boto3.session.Session:
    """A session with its own credentials that shares botocore's description of S3, which takes megabytes."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _description_loader())
    return boto3.session.Session(botocore_session=session)


@cache
def _description_loader() -> Loader:
    loader: Loader = botocore.session.get_session().get_component("data_loader")
    return loader


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` → (bucket, key). Raises `StorageError` for anything else."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise StorageError(f"{uri!r} is not an S3 address of the form s3://bucket/key.")
    return bucket, key


def _transfer() -> TransferConfig:
    return TransferConfig(multipart_threshold=MULTIPART_BYTES, multipart_chunksize=MULTIPART_BYTES)
