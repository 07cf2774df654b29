"""Stores task results as JSON in the bucket, so that any worker can resume a run.

Stored results are untrusted data. Prefect's own reader would unpickle a result if its metadata say so, and call
whatever a result names as its class. Here every result is JSON that contains only this pipeline's records. Any other
result counts as missing, so its step is repeated.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from contextlib import suppress
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.filesystems import WritableFileSystem
from pydantic import BaseModel

from tasks.connections import connect
from wgan.config_model import ConfigModel
from wgan.records import Record

logger = logging.getLogger("wgan.results")
BLOCK_NAME = "results"
BLOCK_SLUG = "wgan-bucket"
FORMER_BLOCKS = (("s3-bucket", "wgan-results"), ("webhook", "wgan-notify"))
"""Blocks of earlier versions, which contained secrets."""
READER = {"type": "json", "object_decoder": "tasks.results.decode_record"}


class UnknownResult(ValueError):
    """A stored result that this pipeline did not write."""


class WganBucket(WritableFileSystem):
    """The bucket of the current process: URL and credentials come from its settings, none from the block."""

    _block_type_name = "WGAN bucket"
    _block_type_slug = BLOCK_SLUG
    _description = "Results of the WGAN pipeline's tasks. It holds no secret: each process has its own settings."

    def read_path(self, path: str, _sync: bool = True) -> bytes:  # type: ignore[override]
        """A stored result, to be read as JSON. Raises `UnknownResult` if it is not this pipeline's."""
        settings, storage = connect()
        data = storage.get_bytes(f"{settings.prefect_prefix}/{path}")
        try:
            return as_json_result(data)
        except UnknownResult as error:
            logger.warning("The stored result %s is ignored and its step is repeated: %s.", path, error)
            raise

    async def aread_path(self, path: str) -> bytes:
        """The same from a coroutine."""
        return await asyncio.to_thread(self.read_path, path)

    def write_path(self, path: str, content: bytes, _sync: bool = True) -> None:  # type: ignore[override]
        """Store a result."""
        settings, storage = connect()
        storage.put_bytes(f"{settings.prefect_prefix}/{path}", content, "application/json")

    async def awrite_path(self, path: str, content: bytes) -> None:
        """The same from a coroutine."""
        await asyncio.to_thread(self.write_path, path, content)


def as_json_result(data: bytes) -> bytes:
    """Prefect's record of a result, with its reader replaced by this pipeline's. Raises `UnknownResult`."""
    try:
        record = json.loads(data)
        metadata, result = record["metadata"], record["result"]
        stated = {name: metadata.get(name) for name in ("storage_key", "expiration", "storage_block_id")}
        json.loads(result, object_hook=decode_record)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = str(error) if isinstance(error, UnknownResult) else "it is not JSON of the expected form"
        raise UnknownResult(reason) from None
    return json.dumps({"metadata": {**stated, "serializer": READER}, "result": result}).encode()


def decode_record(values: dict[str, Any]) -> Any:
    """A record of this pipeline from JSON; objects without a class are unchanged. Raises `UnknownResult`."""
    if "__exc_type__" in values:
        raise UnknownResult("it is an exception")
    if "__class__" not in values:
        return values
    if set(values) != {"__class__", "data"}:
        raise UnknownResult("it is not JSON of the expected form")
    return _record_class(values["__class__"]).model_validate(values["data"])


def _record_class(name: Any) -> type[BaseModel]:
    """A class of records by its name, which must already be imported: stored data never triggers an import."""
    module, _, attribute = str(name).rpartition(".")
    found = getattr(sys.modules.get(module), attribute, None) if module.startswith("wgan.") else None
    if not (isinstance(found, type) and issubclass(found, Record | ConfigModel)):
        raise UnknownResult(f"it is a {ascii(name)[:100]}, which is not a record of this pipeline")
    return found


def save_result_storage() -> None:
    """Register the block on the server under its name, and remove those that contained secrets; idempotent."""
    with get_client(sync_client=True) as client:
        while _block_id(client, BLOCK_SLUG, BLOCK_NAME) is None:
            with suppress(ObjectAlreadyExists):  # another process is making its type, its schema or itself
                WganBucket().save(BLOCK_NAME, overwrite=True)
        for slug, name in FORMER_BLOCKS:
            if (found := _block_id(client, slug, name)) is not None:
                client.delete_block_document(found)


def _block_id(client: SyncPrefectClient, slug: str, name: str) -> Any:
    try:
        return client.read_block_document_by_name(name, slug, include_secrets=False).id
    except ObjectNotFound:
        return None
