"""Keys that the embedded store does not accept are refused, and the next request on the connection is answered."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from wgan.errors import StorageError
from wgan.settings import Settings
from wgan.storage import Storage


@pytest.fixture
def one_connection(stack: Settings) -> Any:
    """A client without retries."""
    assert stack.s3_secret_access_key is not None
    return boto3.client(
        "s3",
        endpoint_url=stack.s3_endpoint_url,
        region_name=stack.s3_region,
        aws_access_key_id=stack.s3_access_key_id,
        aws_secret_access_key=stack.s3_secret_access_key.get_secret_value(),
        config=Config(
            s3={"addressing_style": "path"}, retries={"max_attempts": 0}, max_pool_connections=1, read_timeout=20
        ),
    )


@pytest.mark.parametrize("size", [10, 100_000, 5_000_000])
@pytest.mark.parametrize("key", ["a//b", "a/", "a%20b"])
def test_the_request_after_a_refused_upload_is_answered(
    one_connection: Any, stack: Settings, storage: Storage, key: str, size: int
) -> None:
    storage.ensure_bucket()
    with pytest.raises(ClientError):
        one_connection.put_object(Bucket=stack.bucket, Key=key, Body=b"x" * size)
    one_connection.put_object(Bucket=stack.bucket, Key="after", Body=b"whole")
    assert one_connection.get_object(Bucket=stack.bucket, Key="after")["Body"].read() == b"whole"


@pytest.mark.parametrize("key", ["awkward//b", "awkward/", "awkward%20b"])
def test_storage_refuses_such_a_key_itself(storage: Storage, key: str) -> None:
    storage.ensure_bucket()
    with pytest.raises(StorageError, match="is not written: its key"):
        storage.put_bytes(key, b"content")
    storage.put_bytes("awkward-after", b"whole")
    assert storage.get_bytes("awkward-after") == b"whole"
    assert list(storage.list("awkward/")) == []


@pytest.mark.parametrize("key", ["100%", "50%+more", "ä b/é&c=d?e#f"])
def test_other_unusual_keys_come_back_unchanged(storage: Storage, key: str) -> None:
    storage.ensure_bucket()
    storage.put_bytes(key, b"content")
    assert storage.get_bytes(key) == b"content"
    assert key in [entry.key for entry in storage.list("")]
    storage.delete(key)
    assert not storage.exists(key)
